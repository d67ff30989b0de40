-- Leases: of promotions whose lease has lapsed, whose delay is over, and that are new.
-- Each lease raises the fence, so that the worker before can write nothing any more.
-- ARGV: consumer, worker, lease in ms, most, every which turn batch has
local consumer, worker, lease_ms = ARGV[1], ARGV[2], ARGV[3]
local most, share = tonumber(ARGV[4]), tonumber(ARGV[5])
local taken = {}

local function take(entry, id)
  local promotion = load(id)
  if promotion.entry ~= entry then
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

-- Whose turn it is at an engine: interactive before batch, but every so many are batch's.
local function turn_at(engine)
  local first = {}
  for _, priority in ipairs({'interactive', 'batch'}) do
    first[priority] = redis.call('ZRANGE', turns_key(lane_of(engine, priority)), 0, 0)[1]
  end
  local priority = first.interactive and 'interactive' or 'batch'
  if first.interactive and first.batch
      and redis.call('HINCRBY', root .. ':passed', engine, 1) >= share then
    redis.call('HSET', root .. ':passed', engine, 0)
    priority = 'batch'
  end
  return lane_of(engine, priority), first[priority]
end

-- Engines take turns, too; one that refused lately is left alone.
local function turn()
  for _, engine in ipairs(redis.call('ZRANGE', root .. ':engines', 0, -1)) do
    if tonumber(redis.call('HGET', root .. ':busy', engine) or '0') <= tonumber(now()) then
      local lane, party = turn_at(engine)
      if party then
        redis.call('ZADD', root .. ':engines', redis.call('INCR', root .. ':turn'), engine)
        return lane, party
      end
    end
  end
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
  enqueue(id, load(id))
end

local room = most - #taken
for _ = 1, room do
  local lane, party = turn()
  if not party then break end
  local id = redis.call('ZPOPMIN', queue_key(lane, party))[1]
  local had = redis.call('ZSCORE', turns_key(lane), party)
  next_turn(lane, party)
  if id then
    local entry = redis.call('XADD', WORK, '*', 'promotion', id)
    redis.call('HSET', promotion_key(id), 'entry', entry, 'turn', had)
  end
end
if room > 0 then
  local read = redis.call('XREADGROUP', 'GROUP', GROUP, consumer, 'COUNT', room,
    'STREAMS', WORK, '>')
  if read then
    for _, entry in ipairs(read[1][2]) do take(entry[1], entry[2][2]) end
  end
end
return taken
