-- Removes some of the entries that the checkpoint holds; by id and never by length, so that nothing
-- newer is removed. Returns how many were removed; the last node's entries go one at a time.
local kept = redis.call('HGET', root .. ':checkpoint', 'entry')
if not kept then return 0 end
local gone = redis.call('XTRIM', root .. ':ledger', 'MINID', '~', kept, 'LIMIT', 5000)
if gone > 0 then return gone end
return redis.call('XTRIM', root .. ':ledger', 'MINID', '=', kept)
