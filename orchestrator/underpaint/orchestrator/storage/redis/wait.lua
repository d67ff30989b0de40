-- Stores a promotion that must be approved. Nothing is reserved; its quote stays valid, so that the
-- price is fixed, for as long as somebody may approve it.
-- ARGV: id, content, request, quote id, price, quote, scopes, time in ms, reason,
-- id of the promotion that it retries or '', sha256s of the pictures, schema of the record
local id, content, request, quote_id, price, quote, scopes, within, reason = unpack(ARGV, 1, 9)

local before = redis.call('HGET', promotion_key(id), 'content')
if before then
  if before ~= content then return {'conflict'} end
  return {'stored', stored(id)}
end

if redis.call('HGET', tombstones(id), id) then return {'archived'} end

local key = quote_key(quote_id)
local kept = redis.call('HMGET', key, 'content', 'max', 'promoted')
if kept[1] ~= content then return {'expired'} end
if kept[3] and kept[3] ~= id then return {'used'} end

local at = now()
local due = later(at, within)
-- In this order, because a waiting time of 0 deletes the quote.
redis.call('HSET', key, 'promoted', id)
redis.call('PEXPIRE', key, within)
redis.call('HSET', promotion_key(id), 'id', id, 'schema', ARGV[12], 'content', content,
  'request', request, 'quote', quote, 'price', price, 'max', kept[2], 'scopes', scopes, 'day', '',
  'state', 'waiting', 'created', at, 'updated', at, 'attempts', '0', 'refusals', '0', 'fence', '0',
  'reason', reason, 'overruns', '', 'due', due)
number(id)
for sha256 in string.gmatch(ARGV[11], '%S+') do keep(sha256) end
redis.call('ZADD', root .. ':waiting', due, id)
retried(ARGV[10], id)
event(id, 'waiting', reason)
return {'stored', stored(id)}
