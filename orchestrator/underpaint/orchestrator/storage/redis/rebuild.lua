-- Sets balances to the sums of the entries, if no entry was added since.
-- ARGV: id of the last entry, how many amounts, how many cells;
--   for each amount: scope, window, reserved, spent;
--   for each cell: day, cell, promotions, charged, cloud only
local last = redis.call('XREVRANGE', root .. ':ledger', '+', '-', 'COUNT', 1)[1]
if (last and last[1] or '') ~= ARGV[1] then return 0 end
local at = 4
for _ = 1, tonumber(ARGV[2]) do
  local scope, window, reserved, spent = unpack(ARGV, at, at + 3)
  if window == '' then
    redis.call('SADD', root .. ':scopes', scope)
    redis.call('HSET', scope_key(scope), 'reserved', reserved, 'spent', spent)
  elseif window == 'campaign' then
    redis.call('HSET', scope_key(scope), 'campaign.reserved', reserved, 'campaign.spent', spent)
  else
    if #window == 10 then redis.call('ZADD', root .. ':days', 0, window) end
    redis.call('HSET', balance_key(window), 'reserved ' .. scope, reserved,
      'spent ' .. scope, spent)
  end
  at = at + 4
end
for _ = 1, tonumber(ARGV[3]) do
  local day, cell, promotions, charged, cloud_only = unpack(ARGV, at, at + 4)
  redis.call('HSET', spend_key(day), 'promotions ' .. cell, promotions, 'charged ' .. cell,
    charged, 'cloud_only ' .. cell, cloud_only)
  at = at + 5
end
return 1
