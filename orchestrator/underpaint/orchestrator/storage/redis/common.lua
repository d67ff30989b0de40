-- Put before every script: keys, time, events, and the only ways money moves.
--
-- KEYS[1] is a hash tag such as {underpaint}. Every key begins with it, so that all of
-- them are in one slot and one script moves all scopes at once.
-- Numbers of money are decimal strings and stay below 2^53: a Lua number is a double,
-- tostring(1e15) is "1e+15", and a returned 3.99 becomes 3. A script does not roll back:
-- each checks everything first and writes last.
--
--   :quote:ID      hash, kept for its lifetime   :promotion:ID   hash, the record
--   :queue:ENGINE:PRIORITY:PARTY  sorted set, by :sequence: what waits
--   :turns:ENGINE:PRIORITY        sorted set: parties with a queue, by whose turn is next
--   :engines       sorted set, by whose turn     :turn           counter: the last turn
--                  is next                       :passed         hash: turns that batch let by
--   :busy          hash: until when an engine is left alone, because it refused
--   :work          stream, one entry for each    :events:ID      stream, for watchers
--                  promotion that is leased      :delayed        sorted set, by when to retry
--   :deadlines     sorted set, by when the       :promotions     sorted set, by :sequence
--                  reservation expires           :bell           channel: "work" or the id of
--                                                                a promotion that has news
--   :expected      sorted set, by when it was sent: pictures that no promotion has yet
--   :kept:SHA256   for an hour: a promotion has it   :sweeping:SHA256  it is being removed
--   :promotions:ORGANISATION, :dead:ORGANISATION  sorted sets, by :sequence
--   :waiting       sorted set, by when an approval must be there
--   :news          hash: the last news of each promotion that has not ended, so that one
--                  HMGET looks for all that are watched
--   :dead          sorted set, by :sequence: what failed and was not retried
--   :secret        random bytes that page tokens are sealed with
-- Archived promotions:
--   :tombstones:X  hash: number by id            :segments       sorted set by the last number
--   :archived      the last number of all                        that belongs to it: first
--                  segments                                      number in it, sha256
-- Money:
--   :ledger        stream, every entry           :entries        how many there ever were
--   :scope:NAME    hash: reserved and spent for ever; PERIOD.limit and PERIOD.soft;
--                  campaign.from, .until, and .reserved, .spent if it has days
--   :balance:DAY   hash: "reserved SCOPE" and "spent SCOPE"; :balance:MONTH alike
--   :spend:DAY     hash: "promotions CELL", "charged CELL", "cloud_only CELL", where CELL
--                  is the scopes of an account and a model
--   :days          sorted set, all 0: every day with a balance
--   :closed        hash: of days that have none any more the artifact with their spend, by day
--   :over          the last day that is over, in days since 1970: nothing can be reserved on it
--   :scopes        set of all scopes             :budgets        set of those with a limit
--   :schema        that of the ledger, set with its first entry
--   :prices        hash: digest of the price table by version
--   :frozen        why nothing may be reserved   :checkpoint     hash: entry, number, sha256

local root = KEYS[1]
-- What records and ledger mean. A version that could not be worked on by the one before raises
-- it: a record of a higher one is left to whoever knows it, a ledger of a higher one is refused.
local SCHEMA = 2
local WORK, GROUP = root .. ':work', 'dispatchers'
local DELAYED, DEADLINES = root .. ':delayed', root .. ':deadlines'
-- Finished promotions keep their events this long; the record stays.
local EVENTS_KEPT_MS = 86400000

local EXPECTED = root .. ':expected'
-- Longer than any call that sends a picture: a late one must not make it unwanted again.
local KEPT_MS, SWEEPING_MS = 3600000, 60000

local function promotion_key(id) return root .. ':promotion:' .. id end
local function quote_key(id) return root .. ':quote:' .. id end
-- An id begins with its organisation; each has an index of its own.
local function organisation_of(id) return string.match(id, '^(.*)/') or '' end
local function index_of(id) return root .. ':promotions:' .. organisation_of(id) end
local function dead_index_of(id) return root .. ':dead:' .. organisation_of(id) end
-- One of 65,536 small hashes: Redis packs them, which a hash for each id could not be.
local function tombstones(id)
  return root .. ':tombstones:' .. string.sub(redis.sha1hex(id), 1, 4)
end
local function scope_key(scope) return root .. ':scope:' .. scope end

local MOST = 9007199254740991

-- Seconds and microseconds by the server's clock: those of workers may differ by hours.
local function clock() return redis.call('TIME') end

-- The same in milliseconds.
local function now()
  local time = clock()
  return time[1] .. string.format('%03d', math.floor(tonumber(time[2]) / 1000))
end

-- Its day in UTC, such as 2026-11-21: years begin in March and eras of 400 of them with
-- the year 0, so that a leap day comes last. A day that is over never comes again, even if
-- the clock is put back: it may be closed.
local function today()
  local over = tonumber(redis.call('GET', root .. ':over') or '-1')
  local days = math.max(math.floor(tonumber(clock()[1]) / 86400), over + 1) + 719468
  local era = math.floor(days / 146097)
  local of_era = days % 146097
  local year = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524)
    - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local month = math.floor((5 * of_year + 2) / 153)
  local day = of_year - math.floor((153 * month + 2) / 5) + 1
  month = month < 10 and month + 3 or month - 9
  year = year + era * 400 + (month <= 2 and 1 or 0)
  return string.format('%04d-%02d-%02d', year, month, day)
end

local function later(ms, delay) return string.format('%.0f', tonumber(ms) + tonumber(delay)) end

local function kept_key(sha256) return root .. ':kept:' .. sha256 end
local function sweeping_key(sha256) return root .. ':sweeping:' .. sha256 end

-- A picture belongs to a promotion from now on.
local function keep(sha256)
  redis.call('ZREM', EXPECTED, sha256)
  redis.call('SET', kept_key(sha256), '1', 'PX', KEPT_MS)
end

-- Whether a record is of a later version, which alone knows what to do with it.
local function of_later(schema) return tonumber(schema or '0') > SCHEMA end

-- Numbers a promotion that has just been made.
local function number(id)
  local next = redis.call('INCR', root .. ':sequence')
  redis.call('ZADD', root .. ':promotions', next, id)
  redis.call('ZADD', index_of(id), next, id)
end

local function negative(amount)
  if amount == '0' then return '0' end
  return '-' .. amount
end

local function pairs_of(flat)
  local fields = {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
end

local function load(id) return pairs_of(redis.call('HGETALL', promotion_key(id))) end

local function stored(id) return redis.call('HGETALL', promotion_key(id)) end

local function notify(topic) redis.call('PUBLISH', root .. ':bell', topic) end

-- Tells watchers of a promotion; `last` differs from what was told before, '' is the end.
local function tell(id, last)
  if last == '' then
    redis.call('HDEL', root .. ':news', id)
  else
    redis.call('HSET', root .. ':news', id, last)
  end
  notify(id)
end

local ENDED = {settled = true, released = true, expired = true}

local function event(id, state, message, step, steps, preview)
  local last = redis.call('XADD', root .. ':events:' .. id, '*', 'state', state,
    'message', message, 'step', step or '0', 'steps', steps or '0', 'preview', preview or '')
  redis.call('HSET', promotion_key(id), 'last_event', last)
  tell(id, ENDED[state] and '' or last)
end

-- What waits is in sorted sets and only what is leased in the stream: a stream can neither
-- give a retry its old place back nor be read in turns. Every step is O(log n).
-- Turns are taken at each engine, for its time is what there is too little of.
local function queue_key(lane, party) return root .. ':queue:' .. lane .. ':' .. party end
local function turns_key(lane) return root .. ':turns:' .. lane end
local function lane_of(engine, priority) return engine .. ':' .. priority end

-- The lane and the party of a promotion; one that was stored before there were turns has none.
local function place_of(promotion)
  local engine = promotion.engine or cjson.decode(promotion.quote).engine
  return lane_of(engine, promotion.priority or 'interactive'),
    promotion.party or 'organisation:default', engine
end

-- Puts a party behind all others, or leaves it out if nothing of it waits.
local function next_turn(lane, party)
  if redis.call('EXISTS', queue_key(lane, party)) == 1 then
    redis.call('ZADD', turns_key(lane), redis.call('INCR', root .. ':turn'), party)
  else
    redis.call('ZREM', turns_key(lane), party)
  end
end

-- By its number: a retry waits where it waited before, not behind what came later.
local function enqueue(id, promotion)
  local lane, party, engine = place_of(promotion)
  redis.call('ZADD', queue_key(lane, party), redis.call('ZSCORE', root .. ':promotions', id), id)
  redis.call('ZADD', root .. ':engines', 'NX', 0, engine)
  if not redis.call('ZSCORE', turns_key(lane), party) then next_turn(lane, party) end
  notify('work')
end

-- Takes a promotion out of whatever it waits in or is leased by.
local function dequeue(id, promotion)
  if promotion.entry then
    redis.call('XACK', WORK, GROUP, promotion.entry)
    redis.call('XDEL', WORK, promotion.entry)
    redis.call('HDEL', promotion_key(id), 'entry')
    return
  end
  local lane, party = place_of(promotion)
  local queue = queue_key(lane, party)
  redis.call('ZREM', DELAYED, id)
  if redis.call('ZREM', queue, id) == 1 and redis.call('EXISTS', queue) == 0 then
    redis.call('ZREM', turns_key(lane), party)
  end
end

local function scopes_of(text)
  local scopes = {}
  for scope in string.gmatch(text, '%S+') do scopes[#scopes + 1] = scope end
  return scopes
end

local function balance_key(window) return root .. ':balance:' .. window end
local function spend_key(day) return root .. ':spend:' .. day end
local function month_of(day) return string.sub(day, 1, 7) end

-- Whether a campaign with such days goes on on a day; an empty one is open.
local function covers(from, to, day)
  return from <= day and (to == '' or day <= to)
end

-- One line of the ledger, numbered without a gap.
local function entry(kind, ...)
  local number = redis.call('INCR', root .. ':entries')
  if number == 1 then redis.call('SET', root .. ':schema', SCHEMA) end
  redis.call('XADD', root .. ':ledger', '*', 'number', number, 'kind', kind, ...)
end

-- Refuses new reservations; the first reason stays.
local function freeze(reason)
  if redis.call('SET', root .. ':frozen', reason, 'NX') then entry('freeze', 'note', reason) end
end

-- The limits of a scope: {scope, period, limit, soft, from, until, spent, reserved}.
-- Given a day, with the balances of that day and its month; given `active`, only those
-- that hold on it.
local function limits_of(scope, day, active)
  local fields = pairs_of(redis.call('HGETALL', scope_key(scope)))
  local limits = {}
  for _, period in ipairs({'day', 'month', 'campaign'}) do
    local limit = fields[period .. '.limit']
    local from, to = '', ''
    if period == 'campaign' then
      from, to = fields['campaign.from'] or '', fields['campaign.until'] or ''
    end
    if limit and (not active or covers(from, to, day)) then
      local spent, reserved
      if period == 'campaign' and from .. to == '' then
        spent, reserved = fields.spent, fields.reserved
      elseif period == 'campaign' then
        spent, reserved = fields['campaign.spent'], fields['campaign.reserved']
      else
        local window = period == 'day' and day or month_of(day)
        local kept = redis.call('HMGET', balance_key(window), 'spent ' .. scope,
          'reserved ' .. scope)
        spent, reserved = kept[1], kept[2]
      end
      limits[#limits + 1] = {scope, period, limit, fields[period .. '.soft'] or '0', from, to,
        spent or '0', reserved or '0'}
    end
  end
  return limits
end

local function add(key, reserved_field, spent_field, reserved, spent)
  if reserved ~= '0' then redis.call('HINCRBY', key, reserved_field, reserved) end
  if spent ~= '0' then redis.call('HINCRBY', key, spent_field, spent) end
end

-- Moves money in every scope and window at once; `day` is that of the reservation.
local function move(kind, id, day, scopes, reserved, spent, ...)
  redis.call('ZADD', root .. ':days', 0, day)
  for _, scope in ipairs(scopes_of(scopes)) do
    local key = scope_key(scope)
    redis.call('SADD', root .. ':scopes', scope)
    add(key, 'reserved', 'spent', reserved, spent)
    for _, window in ipairs({day, month_of(day)}) do
      add(balance_key(window), 'reserved ' .. scope, 'spent ' .. scope, reserved, spent)
    end
    local campaign = redis.call('HMGET', key, 'campaign.from', 'campaign.until')
    if campaign[1] and covers(campaign[1], campaign[2], day) then
      add(key, 'campaign.reserved', 'campaign.spent', reserved, spent)
    end
  end
  entry(kind, 'promotion', id, 'scopes', scopes, 'day', day, 'reserved', reserved,
    'spent', spent, ...)
end

-- The scope that holds less than a promotion has reserved, if there is one.
local function lacking(promotion)
  local day, max = promotion.day, tonumber(promotion.max)
  for _, scope in ipairs(scopes_of(promotion.scopes)) do
    local field = 'reserved ' .. scope
    if tonumber(redis.call('HGET', scope_key(scope), 'reserved') or '0') < max
        or tonumber(redis.call('HGET', balance_key(day), field) or '0') < max
        or tonumber(redis.call('HGET', balance_key(month_of(day)), field) or '0') < max then
      return scope
    end
  end
  return nil
end

-- Ends a promotion: each does so once, because callers have checked that it is not final.
local function resolve(id, promotion, kind, state, charged, message, ...)
  local scope = lacking(promotion)
  if scope then
    freeze(scope .. ' holds less than ' .. id .. ' has reserved')
    return redis.error_reply('UNBALANCED ' .. scope .. ' holds less than ' .. id .. ' reserved')
  end
  redis.call('HSET', promotion_key(id), 'state', state, 'updated', now(), 'reason',
    state == 'settled' and '' or message)
  move(kind, id, promotion.day, promotion.scopes, negative(promotion.max), charged, ...)
  dequeue(id, promotion)
  redis.call('ZREM', DEADLINES, id)
  event(id, state, message)
  redis.call('PEXPIRE', root .. ':events:' .. id, EVENTS_KEPT_MS)
  return nil
end

-- Keeps a promotion that has just ended as dead: nobody wanted it to.
local function bury(id)
  redis.call('HSET', promotion_key(id), 'dead', '1')
  local place = redis.call('ZSCORE', root .. ':promotions', id)
  redis.call('ZADD', root .. ':dead', place, id)
  redis.call('ZADD', dead_index_of(id), place, id)
end

-- Notes on a dead promotion which one repeats it; nothing if there is no such.
local function retried(dead, id)
  if dead == '' then return end
  redis.call('ZREM', root .. ':dead', dead)
  redis.call('ZREM', dead_index_of(dead), dead)
  if redis.call('EXISTS', promotion_key(dead)) == 1 then -- it may be archived
    redis.call('HSET', promotion_key(dead), 'retried_as', id)
  end
end

-- The promotion, if the caller's lease is the latest and it has not ended.
local function leased(id, fence)
  local promotion = load(id)
  if promotion.state == 'running' and promotion.fence == fence then return promotion end
  return nil
end
