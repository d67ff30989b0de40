-- Forgets what the checkpoint holds; never by length, so that nothing newer can go.
local kept = redis.call('HGET', root .. ':checkpoint', 'entry')
if kept then return redis.call('XTRIM', root .. ':ledger', 'MINID', '=', kept) end
return 0
