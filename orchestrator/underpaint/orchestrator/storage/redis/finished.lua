-- Finds promotions that ended long enough ago, in order of number. Unfinished ones are passed over;
-- the search ends at the first that was made too recently.
-- ARGV: milliseconds that they are kept, most to look at, number to begin after
-- Returns the last number looked at, or 0 at the end; then the number and record of each found.
local before = tonumber(now()) - tonumber(ARGV[1])
local most = tonumber(ARGV[2])
local rows = redis.call('ZRANGE', root .. ':promotions', '(' .. ARGV[3], '+inf', 'BYSCORE',
  'LIMIT', 0, most, 'WITHSCORES')
local found = {}
for index = 1, #rows, 2 do
  local kept = redis.call('HMGET', promotion_key(rows[index]), 'state', 'updated', 'created',
    'schema')
  if tonumber(kept[3]) > before then return {'0', found} end
  local final = kept[1] == 'settled' or kept[1] == 'released' or kept[1] == 'expired'
  if final and tonumber(kept[2]) <= before and not of_later(kept[4]) then
    found[#found + 1] = {rows[index + 1], stored(rows[index])}
  end
end
if #rows < 2 * most then return {'0', found} end
return {rows[#rows], found}
