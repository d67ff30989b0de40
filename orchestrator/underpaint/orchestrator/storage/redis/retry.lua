-- Puts a promotion back into the queue; its money stays reserved.
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
-- A higher fence ends the lease: the worker that had it can make no more changes.
redis.call('HINCRBY', key, 'fence', 1)
event(id, 'reserved', ARGV[6])
if ARGV[5] == '1' and ARGV[3] ~= '0' then
  redis.call('ZADD', DELAYED, later(now(), ARGV[3]), id)
  return {'held'}
end
enqueue(id, promotion)
if ARGV[5] ~= '1' then
  redis.call('HINCRBY', key, 'attempts', -1)
  redis.call('HINCRBY', key, 'refusals', 1)
  -- The turn was not used, so its party gets it back; and the engine is left alone for a while.
  local lane, party, engine = place_of(promotion)
  if promotion.turn then redis.call('ZADD', turns_key(lane), 'LT', promotion.turn, party) end
  if ARGV[3] ~= '0' then redis.call('HSET', root .. ':busy', engine, later(now(), ARGV[3])) end
end
return {'held'}
