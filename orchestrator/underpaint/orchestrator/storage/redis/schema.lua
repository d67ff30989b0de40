-- The schema of the ledger, or '' without one; that of these scripts; whether there is a ledger.
return {redis.call('GET', root .. ':schema') or '', SCHEMA, redis.call('EXISTS', root .. ':ledger')}
