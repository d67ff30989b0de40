-- Everything that the entries must add up to, at one moment.
local last = redis.call('XREVRANGE', root .. ':ledger', '+', '-', 'COUNT', 1)[1]
local scopes, windows, months, spend, open = {}, {}, {}, {}, {}
for _, scope in ipairs(redis.call('SMEMBERS', root .. ':scopes')) do
  scopes[#scopes + 1] = {scope, redis.call('HMGET', scope_key(scope), 'reserved', 'spent',
    'campaign.from', 'campaign.until', 'campaign.reserved', 'campaign.spent')}
end
for _, day in ipairs(redis.call('ZRANGE', root .. ':days', 0, -1)) do
  windows[#windows + 1] = {day, redis.call('HGETALL', balance_key(day))}
  spend[#spend + 1] = {day, redis.call('HGETALL', spend_key(day))}
  local month = month_of(day)
  if months[#months] ~= month then
    months[#months + 1] = month
    windows[#windows + 1] = {month, redis.call('HGETALL', balance_key(month))}
  end
end
for _, id in ipairs(redis.call('ZRANGE', DEADLINES, 0, -1)) do
  open[#open + 1] = {id, redis.call('HMGET', promotion_key(id), 'day', 'scopes', 'max')}
end
return {last and last[1] or '', redis.call('GET', root .. ':entries') or '0', scopes, windows,
  spend, open}
