-- Sets or removes a limit of a scope.
-- ARGV: scope, period, limit ('' removes it), 1 if soft, first day, last day, note,
--   1 to do so only in a ledger without entries (removing limits leaves entries),
--   number of closed days, what was spent on those that the campaign covers
local scope, period, limit, soft, from, to, note = unpack(ARGV, 1, 7)
if ARGV[8] == '1' and redis.call('EXISTS', root .. ':entries') == 1 then return {'kept'} end
local key, day = scope_key(scope), today()

local reserved, spent = 0, 0
if limit ~= '' and from .. to ~= '' then -- a campaign also counts earlier reservations of its days
  if redis.call('HLEN', root .. ':closed') ~= tonumber(ARGV[9]) then return {'closed'} end
  spent = tonumber(ARGV[10])
  for _, each in ipairs(redis.call('ZRANGE', root .. ':days', 0, -1)) do
    if covers(from, to, each) then
      local kept = redis.call('HMGET', balance_key(each), 'reserved ' .. scope, 'spent ' .. scope)
      reserved = reserved + tonumber(kept[1] or '0')
      spent = spent + tonumber(kept[2] or '0')
    end
  end
end

redis.call('HDEL', key, period .. '.limit', period .. '.soft', period .. '.from',
  period .. '.until', period .. '.reserved', period .. '.spent')
redis.call('SADD', root .. ':scopes', scope)
if limit ~= '' then
  redis.call('SADD', root .. ':budgets', scope)
  redis.call('HSET', key, period .. '.limit', limit, period .. '.soft', soft)
  if from .. to ~= '' then
    redis.call('HSET', key, 'campaign.from', from, 'campaign.until', to,
      'campaign.reserved', string.format('%.0f', reserved),
      'campaign.spent', string.format('%.0f', spent))
  end
elseif #limits_of(scope, day) == 0 then
  redis.call('SREM', root .. ':budgets', scope)
end
entry('limit', 'scopes', scope, 'day', day, 'note', note)
for _, budget in ipairs(limits_of(scope, day)) do
  if budget[2] == period then return {'set', budget} end
end
return {'lifted'}
