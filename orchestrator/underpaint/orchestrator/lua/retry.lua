-- Puts a promotion back to wait; its money stays reserved.
-- ARGV: id, fence, delay in ms, reason, 1 if it was an attempt, message
local id = ARGV[1]
local promotion = leased(id, ARGV[2])
if not promotion then return {'lost'} end
if promotion.cancel then
  local wrong = resolve(id, promotion, 'release', 'released', '0', 'cancelled')
  return wrong or {'held'}
end
local key = promotion_key(id)
dequeue(id, promotion)
redis.call('HSET', key, 'state', 'reserved', 'updated', now(), 'trouble', ARGV[4])
-- A fence without an owner: the worker that gave it up can write nothing more.
redis.call('HINCRBY', key, 'fence', 1)
if ARGV[5] ~= '1' then
  redis.call('HINCRBY', key, 'attempts', -1)
  redis.call('HINCRBY', key, 'refusals', 1)
end
event(id, 'reserved', ARGV[6])
if ARGV[3] == '0' then
  enqueue(id, promotion)
else
  redis.call('ZADD', DELAYED, later(now(), ARGV[3]), id)
end
return {'held'}
