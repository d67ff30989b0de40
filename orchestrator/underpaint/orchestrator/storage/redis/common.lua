-- Inserted before every script: keys, time, events, and the only functions that move money.
--
-- KEYS[1] is a hash tag such as {underpaint}. Every key begins with it, so that all keys are in one
-- slot and one script can change all scopes at once.
-- Amounts of money are decimal strings below 2^53, because a Lua number is a double:
-- tostring(1e15) is "1e+15", and a returned 3.99 becomes 3. Redis does not roll back a script that
-- fails, so each script checks everything before it writes.
--
--   :quote:ID      hash, kept for its lifetime   :promotion:ID   hash, the record
--   :queue:ENGINE:PRIORITY:PARTY  sorted set, by :sequence: what waits
--   :turns:ENGINE:PRIORITY        sorted set: parties with a queue, by whose turn is next
--   :engines       sorted set, by whose turn     :turn           counter: the last turn
--                  is next                       :passed         hash: by engine, turns since batch
--   :busy          hash: by engine that refused, when it may be asked again
--   :work          stream, one entry for each    :events:ID      stream, for watchers
--                  promotion that is leased      :delayed        sorted set, by when to retry
--   :deadlines     sorted set, by when the       :promotions     sorted set, by :sequence
--                  reservation expires           :bell           channel: "work" or the id of
--                                                                a promotion that has news
--   :expected      sorted set, by when it was sent: pictures that no promotion has yet
--   :kept:SHA256   for an hour: a promotion refers to the picture
--   :sweeping:SHA256  the picture is being removed
--   :promotions:ORGANISATION, :dead:ORGANISATION  sorted sets, by :sequence
--   :waiting       sorted set, by when the approval must be given
--   :news          hash: the last event of each promotion that has not ended, so that one
--                  HMGET checks all that are watched
--   :dead          sorted set, by :sequence: what failed and was not retried
--   :secret        random bytes, the key of page tokens
-- Archived promotions:
--   :tombstones:X  hash: number by id            :segments       sorted set by the last number
--   :archived      the last number of all                        that belongs to it: first
--                  segments                                      number in it, sha256
-- Money:
--   :ledger        stream, every entry           :entries        how many there ever were
--   :scope:NAME    hash: all-time reserved and spent; PERIOD.limit and PERIOD.soft;
--                  campaign.from, .until, and .reserved, .spent if it has days
--   :balance:DAY   hash: "reserved SCOPE" and "spent SCOPE"; :balance:MONTH alike
--   :spend:DAY     hash: "promotions CELL", "charged CELL", "cloud_only CELL", where CELL
--                  is the scopes of an account and a model
--   :days          sorted set, all 0: every day with a balance
--   :closed        hash: closed days, with the sha256 of the artifact that has their spend
--   :over          the last past day, in days since 1970: nothing can be reserved up to it
--   :scopes        set of all scopes             :budgets        set of those with a limit
--   :schema        version of the ledger's format, set with its first entry
--   :prices        hash: digest of the price table by version
--   :frozen        why nothing may be reserved   :checkpoint     hash: entry, number, sha256

local root = KEYS[1]
-- The format of records and ledger. A version of this program raises it if the version before could
-- not work with its format. Records with a higher schema are left to newer orchestrators; a ledger
-- with a higher schema is refused.
local SCHEMA = 2
-- The latest schema of records. One of schema 3 asks for what the version before would leave out
-- without a word, such as a mask; all others keep the schema of the ledger.
local RECORDS = 3
local WORK, GROUP = root .. ':work', 'dispatchers'
local DELAYED, DEADLINES = root .. ':delayed', root .. ':deadlines'
-- Finished promotions keep their events this long; the record stays.
local EVENTS_KEPT_MS = 86400000

local EXPECTED = root .. ':expected'
-- Longer than any call that sends a picture, so that a late call cannot mark it as unwanted.
local KEPT_MS, SWEEPING_MS = 3600000, 60000

local function promotion_key(id) return root .. ':promotion:' .. id end
local function quote_key(id) return root .. ':quote:' .. id end
-- An id begins with its organisation; each organisation has its own index.
local function organisation_of(id) return string.match(id, '^(.*)/') or '' end
local function index_of(id) return root .. ':promotions:' .. organisation_of(id) end
local function dead_index_of(id) return root .. ':dead:' .. organisation_of(id) end
-- One of 65,536 small hashes, which Redis stores compactly; one key for each id would cost more.
local function tombstones(id)
  return root .. ':tombstones:' .. string.sub(redis.sha1hex(id), 1, 4)
end
local function scope_key(scope) return root .. ':scope:' .. scope end

local MOST = 9007199254740991

-- Seconds and microseconds by the server's clock; the clocks of workers may be wrong by hours.
local function clock() return redis.call('TIME') end

-- The same in milliseconds.
local function now()
  local time = clock()
  return time[1] .. string.format('%03d', math.floor(tonumber(time[2]) / 1000))
end

-- The day in UTC, such as 2026-11-21. In the calculation a year begins in March, so that a leap day
-- is its last day, and an era has 400 years. A past day never comes again, even if the clock is
-- put back, because it may be closed.
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

-- Notes that a promotion refers to a picture.
local function keep(sha256)
  redis.call('ZREM', EXPECTED, sha256)
  redis.call('SET', kept_key(sha256), '1', 'PX', KEPT_MS)
end

-- Whether a record has a later schema, so that only a newer orchestrator may handle it.
local function of_later(schema) return tonumber(schema or '0') > RECORDS end

-- Gives a new promotion its number.
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

-- Notifies watchers of a promotion. `last` is a new value each time, and '' at the end.
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

-- Waiting promotions are in sorted sets, and only leased ones are in the stream: a stream cannot
-- give a retry its old place back, and cannot be read in turns. Every step is O(log n).
-- Parties take turns at each engine separately, because the engine's time is what is scarce.
-- A "lane" below is one engine with one priority.
local function queue_key(lane, party) return root .. ':queue:' .. lane .. ':' .. party end
local function turns_key(lane) return root .. ':turns:' .. lane end
local function lane_of(engine, priority) return engine .. ':' .. priority end

-- The lane and the party of a promotion; a record of an old version may lack them.
local function place_of(promotion)
  local engine = promotion.engine or cjson.decode(promotion.quote).engine
  return lane_of(engine, promotion.priority or 'interactive'),
    promotion.party or 'organisation:default', engine
end

-- Puts a party behind all others, or removes it if none of its work waits.
local function next_turn(lane, party)
  if redis.call('EXISTS', queue_key(lane, party)) == 1 then
    redis.call('ZADD', turns_key(lane), redis.call('INCR', root .. ':turn'), party)
  else
    redis.call('ZREM', turns_key(lane), party)
  end
end

-- Orders by number, so that a retry gets its old place and not one behind later promotions.
local function enqueue(id, promotion)
  local lane, party, engine = place_of(promotion)
  redis.call('ZADD', queue_key(lane, party), redis.call('ZSCORE', root .. ':promotions', id), id)
  redis.call('ZADD', root .. ':engines', 'NX', 0, engine)
  if not redis.call('ZSCORE', turns_key(lane), party) then next_turn(lane, party) end
  notify('work')
end

-- Removes a promotion from the queue, or ends its lease.
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

-- Whether a campaign covers a day; an empty first or last day is open.
local function covers(from, to, day)
  return from <= day and (to == '' or day <= to)
end

-- Appends an entry to the ledger, numbered without gaps.
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
-- `day` says whose day and month balances are meant; with `active`, only limits in force on it.
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

-- Moves money in every scope and window; `day` is the day of the reservation.
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

-- A scope whose balance has less reserved than a promotion reserved, if there is one: an error.
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

-- Ends a promotion. Callers must have checked that it has not ended, so each ends only once.
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

-- Lists a promotion that has just failed among the dead.
local function bury(id)
  redis.call('HSET', promotion_key(id), 'dead', '1')
  local place = redis.call('ZSCORE', root .. ':promotions', id)
  redis.call('ZADD', root .. ':dead', place, id)
  redis.call('ZADD', dead_index_of(id), place, id)
end

-- Notes on a dead promotion which one retries it.
local function retried(dead, id)
  if dead == '' then return end
  redis.call('ZREM', root .. ':dead', dead)
  redis.call('ZREM', dead_index_of(dead), dead)
  if redis.call('EXISTS', promotion_key(dead)) == 1 then -- it may be archived
    redis.call('HSET', promotion_key(dead), 'retried_as', id)
  end
end

-- The promotion if a lease is still valid, else nil.
local function leased(id, fence)
  local promotion = load(id)
  if promotion.state == 'running' and promotion.fence == fence then return promotion end
  return nil
end
