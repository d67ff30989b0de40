-- Ends promotions that wait for an approval: one by id, or all whose time is over.
-- No money was reserved, so none is moved.
-- ARGV: id or '' for all, state, reason, most
local only, state, reason, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local WAITING = root .. ':waiting'

local ids = {only}
if only == '' then
  ids = redis.call('ZRANGEBYSCORE', WAITING, '-inf', now(), 'LIMIT', 0, most)
end
local ended = 0
for _, id in ipairs(ids) do
  if redis.call('HGET', promotion_key(id), 'state') == 'waiting' then
    redis.call('HSET', promotion_key(id), 'state', state, 'updated', now(), 'reason', reason)
    event(id, state, reason)
    redis.call('PEXPIRE', root .. ':events:' .. id, EVENTS_KEPT_MS)
    ended = ended + 1
  end
  redis.call('ZREM', WAITING, id)
end
return ended
