-- The last resort: gives back what was never finished in its time.
-- ARGV: most, message
local due = redis.call('ZRANGEBYSCORE', DEADLINES, '-inf', now(), 'LIMIT', 0, tonumber(ARGV[1]))
local expired = 0
for _, id in ipairs(due) do
  local promotion = load(id)
  if promotion.state == 'reserved' or promotion.state == 'running' then
    local wrong = resolve(id, promotion, 'expire', 'expired', '0', ARGV[2])
    if wrong then return wrong end
    expired = expired + 1
  else
    redis.call('ZREM', DEADLINES, id)
  end
end
return expired
