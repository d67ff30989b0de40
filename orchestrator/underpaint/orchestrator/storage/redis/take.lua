-- Leases promotions: those whose lease has lapsed, whose delay is over, and that are new.
-- Each lease raises the fence, so that the previous worker can make no more changes.
-- ARGV: consumer, worker, lease in ms, most running at each engine, N (every N-th turn is for
--   batch), then each engine with the number that the worker already runs there
local consumer, worker, lease_ms = ARGV[1], ARGV[2], ARGV[3]
local most, share = tonumber(ARGV[4]), tonumber(ARGV[5])
local taken, held = {}, {}
for index = 6, #ARGV, 2 do held[ARGV[index]] = tonumber(ARGV[index + 1]) end

local function room_at(engine) return most - (held[engine] or 0) end
local function hold(engine) held[engine] = (held[engine] or 0) + 1 end

local function take(entry, id)
  local promotion = load(id)
  if promotion.entry ~= entry then
    redis.call('XACK', WORK, GROUP, entry)
    redis.call('XDEL', WORK, entry)
    return false
  end
  if promotion.cancel then
    resolve(id, promotion, 'release', 'released', '0', 'cancelled')
    return false
  end
  local key = promotion_key(id)
  redis.call('HINCRBY', key, 'fence', 1)
  redis.call('HINCRBY', key, 'attempts', 1)
  redis.call('HSET', key, 'state', 'running', 'updated', now(), 'worker', worker)
  event(id, 'running', 'an engine has been asked')
  taken[#taken + 1] = {entry, stored(id)}
  return true
end

-- The engine of a stored promotion, and whether its record has a later schema.
local function engine_of(id)
  local promotion = load(id)
  if not promotion.quote then return nil, false end
  local _, _, engine = place_of(promotion)
  return engine, of_later(promotion.schema)
end

-- The next lane and party at an engine: interactive first, but every N-th turn is for batch.
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

-- Engines take turns, too; one that refused recently or has no room is passed over.
local function turn()
  for _, engine in ipairs(redis.call('ZRANGE', root .. ':engines', 0, -1)) do
    if room_at(engine) > 0
        and tonumber(redis.call('HGET', root .. ':busy', engine) or '0') <= tonumber(now()) then
      local lane, party = turn_at(engine)
      if party then
        redis.call('ZADD', root .. ':engines', redis.call('INCR', root .. ':turn'), engine)
        return lane, party, engine
      end
    end
  end
end

-- Lapsed leases are read page by page to the end: work at an engine without room must not hide
-- work behind it.
local PAGE = 100
-- How long work of a later schema is left to newer workers before it is looked at again.
local LEFT_MS = 2000
local after = '-'
repeat
  local lapsed = redis.pcall('XPENDING', WORK, GROUP, 'IDLE', lease_ms, after, '+', PAGE)
  if lapsed.err then -- a new database behind the same address
    redis.call('XGROUP', 'CREATE', WORK, GROUP, '0', 'MKSTREAM')
    lapsed = {}
  end
  for _, pending in ipairs(lapsed) do
    local entry = redis.call('XRANGE', WORK, pending[1], pending[1])[1]
    local engine, later_version
    if entry then engine, later_version = engine_of(entry[2][2]) end
    if not later_version and (not engine or room_at(engine) > 0) then
      for _, claimed in ipairs(redis.call('XCLAIM', WORK, GROUP, consumer, lease_ms, pending[1])) do
        if take(claimed[1], claimed[2][2]) then hold(engine) end
      end
    end
    after = '(' .. pending[1]
  end
until #lapsed < PAGE

local due = redis.call('ZRANGEBYSCORE', DELAYED, '-inf', now(), 'LIMIT', 0, PAGE)
for _, id in ipairs(due) do
  redis.call('ZREM', DELAYED, id)
  enqueue(id, load(id))
end

local added = 0
while true do
  local lane, party, engine = turn()
  if not party then break end
  local id = redis.call('ZPOPMIN', queue_key(lane, party))[1]
  local had = redis.call('ZSCORE', turns_key(lane), party)
  next_turn(lane, party)
  local _, later_version
  if id then _, later_version = engine_of(id) end
  if later_version then -- set it aside, so that a newer worker can take it
    redis.call('ZADD', DELAYED, later(now(), LEFT_MS), id)
  elseif id then
    local entry = redis.call('XADD', WORK, '*', 'promotion', id)
    redis.call('HSET', promotion_key(id), 'entry', entry, 'turn', had)
    hold(engine)
    added = added + 1
  end
end
-- What nobody has been given is what was added just now, behind what was delivered twice and is
-- dropped.
local read = redis.call('XREADGROUP', 'GROUP', GROUP, consumer, 'COUNT', added + PAGE,
  'STREAMS', WORK, '>')
if read then
  for _, entry in ipairs(read[1][2]) do take(entry[1], entry[2][2]) end
end
return taken
