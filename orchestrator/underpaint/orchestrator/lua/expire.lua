-- The last resort: gives back what was never finished in its time.
-- ARGV: most, message
local due = redis.call('ZRANGEBYSCORE', DEADLINES, '-inf', now(), 'LIMIT', 0, tonumber(ARGV[1]))
local expired = 0
for _, id in ipairs(due) do
  local promotion = load(id)
  if promotion.state == 'reserved' or promotion.state == 'running' then
    -- One that does not balance has frozen spending and must not hold up the others.
    if not resolve(id, promotion, 'expire', 'expired', '0', ARGV[2]) then
      expired = expired + 1
    end
  else
    redis.call('ZREM', DEADLINES, id)
  end
end
return expired
