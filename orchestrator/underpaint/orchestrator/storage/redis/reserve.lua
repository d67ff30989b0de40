-- Reserves the quoted money in every scope and enqueues the work, or changes nothing.
-- ARGV: id, content, request, quote id, price, quote, reservation in ms, scopes, message,
-- who approved it ('' if it needs no approval), priority, party,
-- id of the promotion that it retries or '', engine, sha256s of the pictures,
-- schema of the record
local id, content, request, quote_id, price, quote = unpack(ARGV, 1, 6)
local reservation, scopes, message, approver, priority, party = unpack(ARGV, 7, 12)

local before = pairs_of(redis.call('HGETALL', promotion_key(id)))
if before.content then
  if before.content ~= content then return {'conflict'} end
  -- Return the stored record as it is: a later version may have stored more than this one knows.
  request, quote, price = before.request, before.quote, before.price
  -- An approval takes effect only on a waiting promotion, and only in time.
  if before.state ~= 'waiting' or approver == '' or tonumber(before.due) <= tonumber(now()) then
    return {'stored', stored(id)}
  end
end

if redis.call('HGET', tombstones(id), id) then return {'archived'} end

local frozen = redis.call('GET', root .. ':frozen')
if frozen then return {'frozen', frozen} end

local kept = redis.call('HMGET', quote_key(quote_id), 'content', 'max', 'promoted')
if kept[1] ~= content then return {'expired'} end
if kept[3] and kept[3] ~= id then return {'used'} end
local max = kept[2]

local day = today()
local limited, overruns = false, {}
for _, scope in ipairs(scopes_of(scopes)) do
  local sums = redis.call('HMGET', scope_key(scope), 'reserved', 'spent')
  if tonumber(sums[1] or '0') + tonumber(sums[2] or '0') > MOST - tonumber(max) then
    return {'too much', scope}
  end
  for _, budget in ipairs(limits_of(scope, day, true)) do
    limited = true
    local left = tonumber(budget[3]) - tonumber(budget[7]) - tonumber(budget[8])
    if tonumber(max) > left then
      if budget[4] ~= '1' then return {'full', budget} end
      overruns[#overruns + 1] = {budget[1], budget[2], budget[3],
        string.format('%.0f', tonumber(max) - left)}
    end
  end
end
if not limited then return {'unlimited'} end

local at, told = now(), {}
for _, overrun in ipairs(overruns) do told[#told + 1] = table.concat(overrun, ' ') end
redis.call('HSET', promotion_key(id), 'id', id, 'schema', ARGV[16], 'content', content,
  'request', request, 'quote', quote, 'price', price, 'max', max, 'scopes', scopes, 'day', day,
  'state', 'reserved', 'created', before.created or at, 'approved_by', approver,
  'updated', at, 'attempts', '0', 'refusals', '0', 'priority', priority, 'party', party,
  'engine', ARGV[14],
  'fence', '0', 'reason', '', 'overruns', table.concat(told, ','))
move('reserve', id, day, scopes, max, '0')
for index, overrun in ipairs(overruns) do
  entry('overrun', 'promotion', id, 'scopes', overrun[1], 'day', day, 'overrun', told[index])
end
if not before.content then
  number(id)
  for sha256 in string.gmatch(ARGV[15], '%S+') do keep(sha256) end
  redis.call('HSET', quote_key(quote_id), 'promoted', id)
end
redis.call('ZREM', root .. ':waiting', id)
retried(ARGV[13], id)
redis.call('ZADD', DEADLINES, later(at, reservation), id)
event(id, 'reserved', message)
enqueue(id, {priority = priority, party = party, engine = ARGV[14]})
return {'stored', stored(id)}
