-- Reserves the money of a quote in every scope and enqueues the work, or changes nothing.
-- ARGV: id, content, request, quote id, price, quote, reservation in ms, scopes, message
local id, content, request, quote_id, price, quote = unpack(ARGV, 1, 6)
local reservation, scopes, message = ARGV[7], ARGV[8], ARGV[9]

local before = redis.call('HGET', promotion_key(id), 'content')
if before then
  if before ~= content then return {'conflict'} end
  return {'stored', stored(id)}
end

local kept = redis.call('HMGET', root .. ':quote:' .. quote_id, 'content', 'max')
if kept[1] ~= content then return {'expired'} end
local max = kept[2]

local limited = false
for _, scope in ipairs(scopes_of(scopes)) do
  local budget = redis.call('HMGET', scope_key(scope), 'limit', 'spent', 'reserved')
  if budget[1] then
    limited = true
    local spent, reserved = budget[2] or '0', budget[3] or '0'
    if tonumber(max) > tonumber(budget[1]) - tonumber(spent) - tonumber(reserved) then
      return {'full', scope, budget[1], spent, reserved}
    end
  end
end
if not limited then return {'unlimited'} end

local at = now()
redis.call('HSET', promotion_key(id), 'id', id, 'content', content, 'request', request,
  'quote', quote, 'price', price, 'max', max, 'scopes', scopes, 'state', 'reserved',
  'created', at, 'updated', at, 'attempts', '0', 'refusals', '0', 'fence', '0', 'reason', '')
move('reserve', id, scopes, max, '0')
redis.call('ZADD', root .. ':promotions', redis.call('INCR', root .. ':sequence'), id)
redis.call('ZADD', DEADLINES, later(at, reservation), id)
event(id, 'reserved', message)
enqueue(id)
return {'stored', stored(id)}
