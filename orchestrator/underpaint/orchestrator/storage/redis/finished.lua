-- The oldest promotions, up to the first that is not final or ended too lately.
-- ARGV: milliseconds they are kept, most
local before = tonumber(now()) - tonumber(ARGV[1])
local rows = redis.call('ZRANGE', root .. ':promotions', 0, tonumber(ARGV[2]) - 1, 'WITHSCORES')
local found = {}
for index = 1, #rows, 2 do
  local promotion = load(rows[index])
  local final = promotion.state == 'settled' or promotion.state == 'released'
    or promotion.state == 'expired'
  if not final or tonumber(promotion.updated) > before then break end
  found[#found + 1] = {rows[index + 1], stored(rows[index])}
end
return found
