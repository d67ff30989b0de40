-- Inserted between common.lua and the scripts that read balances: how they return their rows.

local function scope_row(scope)
  return {scope, redis.call('HMGET', scope_key(scope), 'reserved', 'spent',
    'campaign.from', 'campaign.until', 'campaign.reserved', 'campaign.spent')}
end

local function balance_row(scope, window)
  return {scope, window,
    redis.call('HMGET', balance_key(window), 'reserved ' .. scope, 'spent ' .. scope)}
end

local function spend_row(day, cell)
  return {day, cell, redis.call('HMGET', spend_key(day), 'promotions ' .. cell,
    'charged ' .. cell, 'cloud_only ' .. cell)}
end

local function open_row(id)
  return {id, redis.call('ZSCORE', DEADLINES, id) or '',
    redis.call('HMGET', promotion_key(id), 'day', 'scopes', 'max')}
end

-- The id and number of the last entry, today, and the last day that is over.
local function told()
  local last = redis.call('XREVRANGE', root .. ':ledger', '+', '-', 'COUNT', 1)[1]
  return {last and last[1] or '', redis.call('GET', root .. ':entries') or '0', today(),
    redis.call('GET', root .. ':over') or ''}
end

