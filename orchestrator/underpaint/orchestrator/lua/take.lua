-- Leases: of promotions whose lease has lapsed, whose delay is over, and that are new.
-- Each lease raises the fence, so that the worker before can write nothing any more.
-- ARGV: consumer, worker, lease in ms, most
local consumer, worker, lease_ms, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local taken = {}

local function take(entry, id)
  local promotion = load(id)
  if promotion.entry ~= entry or promotion.state == 'settled' or promotion.state == 'released'
      or promotion.state == 'expired' then
    redis.call('XACK', WORK, GROUP, entry)
    redis.call('XDEL', WORK, entry)
    return
  end
  if promotion.cancel then
    resolve(id, promotion, 'release', 'released', '0', 'cancelled')
    return
  end
  local key = promotion_key(id)
  redis.call('HINCRBY', key, 'fence', 1)
  redis.call('HINCRBY', key, 'attempts', 1)
  redis.call('HSET', key, 'state', 'running', 'updated', now(), 'worker', worker)
  event(id, 'running', 'an engine has been asked')
  taken[#taken + 1] = {entry, stored(id)}
end

local lapsed = redis.pcall('XPENDING', WORK, GROUP, 'IDLE', lease_ms, '-', '+', most)
if lapsed.err then -- a new database behind the same address
  redis.call('XGROUP', 'CREATE', WORK, GROUP, '0', 'MKSTREAM')
  lapsed = {}
end
for _, pending in ipairs(lapsed) do
  local claimed = redis.call('XCLAIM', WORK, GROUP, consumer, lease_ms, pending[1])
  for _, entry in ipairs(claimed) do take(entry[1], entry[2][2]) end
end

local due = redis.call('ZRANGEBYSCORE', DELAYED, '-inf', now(), 'LIMIT', 0, most)
for _, id in ipairs(due) do
  redis.call('ZREM', DELAYED, id)
  enqueue(id)
end

if #taken < most then
  local read = redis.call('XREADGROUP', 'GROUP', GROUP, consumer, 'COUNT', most - #taken,
    'STREAMS', WORK, '>')
  if read then
    for _, entry in ipairs(read[1][2]) do take(entry[1], entry[2][2]) end
  end
end
return taken
