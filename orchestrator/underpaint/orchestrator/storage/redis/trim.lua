-- Forgets some of what the checkpoint holds; never by length, so that nothing newer can go.
-- Returns how many entries went; those of the last node go one by one, once it is alone.
local kept = redis.call('HGET', root .. ':checkpoint', 'entry')
if not kept then return 0 end
local gone = redis.call('XTRIM', root .. ':ledger', 'MINID', '~', kept, 'LIMIT', 5000)
if gone > 0 then return gone end
return redis.call('XTRIM', root .. ':ledger', 'MINID', '=', kept)
