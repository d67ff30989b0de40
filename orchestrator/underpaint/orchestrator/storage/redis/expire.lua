-- Expires promotions that were not finished in time, and returns their money.
-- ARGV: most, message
local due = redis.call('ZRANGEBYSCORE', DEADLINES, '-inf', now(), 'LIMIT', 0, tonumber(ARGV[1]))
local expired = 0
for _, id in ipairs(due) do
  local promotion = load(id)
  if promotion.state == 'reserved' or promotion.state == 'running' then
    -- `resolve` fails and freezes spending if balances are wrong; go on with the others.
    local reason = ARGV[2]
    if promotion.trouble then reason = reason .. '; last: ' .. promotion.trouble end
    if not resolve(id, promotion, 'expire', 'expired', '0', reason) then
      expired = expired + 1
      if not promotion.cancel then bury(id) end
    end
  else
    redis.call('ZREM', DEADLINES, id)
  end
end
return expired
