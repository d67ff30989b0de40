-- Put before every script: keys, time, events, and the only ways money moves.
--
-- KEYS[1] is a hash tag such as {underpaint}. Every key begins with it, so that all of
-- them are in one slot and one script moves all scopes at once.
-- Numbers of money are decimal strings and stay below 2^53: a Lua number is a double,
-- tostring(1e15) is "1e+15", and a returned 3.99 becomes 3. A script does not roll back:
-- each checks everything first and writes last.
--
--   :quote:ID      hash, kept for its lifetime   :promotion:ID   hash, the record
--   :work          stream, one entry for each    :events:ID      stream, for watchers
--                  promotion to be taken         :delayed        sorted set, by when to retry
--   :deadlines     sorted set, by when the       :promotions     sorted set, by :sequence
--                  reservation expires           :ledger         stream, every movement of money
--   :scope:NAME    hash: limit, reserved, spent, promotions, cloud_only
--   :scopes        set of all scopes             :budgets        set of those with a limit
--   :bell          channel: "work" or the id of a promotion that has news

local root = KEYS[1]
local WORK, GROUP = root .. ':work', 'dispatchers'
local DELAYED, DEADLINES = root .. ':delayed', root .. ':deadlines'
-- Finished promotions keep their events this long; the record stays.
local EVENTS_KEPT_MS = 86400000

local function promotion_key(id) return root .. ':promotion:' .. id end
local function scope_key(scope) return root .. ':scope:' .. scope end

-- Milliseconds by the server's clock: those of workers may differ by hours.
local function now()
  local time = redis.call('TIME')
  return time[1] .. string.format('%03d', math.floor(tonumber(time[2]) / 1000))
end

local function later(ms, delay) return string.format('%.0f', tonumber(ms) + tonumber(delay)) end

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

local function ring(topic) redis.call('PUBLISH', root .. ':bell', topic) end

local function event(id, state, message, step, steps, preview)
  local last = redis.call('XADD', root .. ':events:' .. id, '*', 'state', state,
    'message', message, 'step', step or '0', 'steps', steps or '0', 'preview', preview or '')
  redis.call('HSET', promotion_key(id), 'last_event', last)
  ring(id)
end

local function enqueue(id)
  local entry = redis.call('XADD', WORK, '*', 'promotion', id)
  redis.call('HSET', promotion_key(id), 'entry', entry)
  ring('work')
end

local function dequeue(id, entry)
  if entry then
    redis.call('XACK', WORK, GROUP, entry)
    redis.call('XDEL', WORK, entry)
  end
  redis.call('ZREM', DELAYED, id)
end

local function scopes_of(text)
  local scopes = {}
  for scope in string.gmatch(text, '%S+') do scopes[#scopes + 1] = scope end
  return scopes
end

local function move(kind, id, scopes, reserved, spent)
  for _, scope in ipairs(scopes_of(scopes)) do
    redis.call('SADD', root .. ':scopes', scope)
    redis.call('HINCRBY', scope_key(scope), 'reserved', reserved)
    redis.call('HINCRBY', scope_key(scope), 'spent', spent)
  end
  redis.call('XADD', root .. ':ledger', '*', 'kind', kind, 'promotion', id,
    'scopes', scopes, 'reserved', reserved, 'spent', spent)
end

-- Ends a promotion: each does so once, because callers have checked that it is not final.
local function resolve(id, promotion, kind, state, charged, message)
  for _, scope in ipairs(scopes_of(promotion.scopes)) do
    local reserved = redis.call('HGET', scope_key(scope), 'reserved') or '0'
    if tonumber(reserved) < tonumber(promotion.max) then
      return redis.error_reply('UNBALANCED ' .. scope .. ' holds less than ' .. id .. ' reserved')
    end
  end
  redis.call('HSET', promotion_key(id), 'state', state, 'updated', now(), 'reason',
    state == 'settled' and '' or message)
  move(kind, id, promotion.scopes, negative(promotion.max), charged)
  dequeue(id, promotion.entry)
  redis.call('ZREM', DEADLINES, id)
  event(id, state, message)
  redis.call('PEXPIRE', root .. ':events:' .. id, EVENTS_KEPT_MS)
  return nil
end

-- The promotion, if the caller's lease is the latest and it has not ended.
local function leased(id, fence)
  local promotion = load(id)
  if promotion.state == 'running' and promotion.fence == fence then return promotion end
  return nil
end
