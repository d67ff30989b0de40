-- Releases a waiting promotion; asks the worker of a running one to stop; leaves one that ended.
-- ARGV: id
local id = ARGV[1]
local promotion = load(id)
if not promotion.state then return {'unknown'} end
if promotion.state == 'reserved' then
  local wrong = resolve(id, promotion, 'release', 'released', '0', 'cancelled')
  if wrong then return wrong end
elseif promotion.state == 'running' then
  redis.call('HSET', promotion_key(id), 'cancel', '1')
  tell(id, 'cancel')
end
return {'stored', stored(id)}
