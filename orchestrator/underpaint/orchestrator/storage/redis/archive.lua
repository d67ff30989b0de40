-- Replaces promotions by tombstones, if their segment begins where the one before ended.
-- ARGV: first number, last number, sha256, then the ids in order
local first, last, sha256 = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
if tonumber(redis.call('GET', root .. ':archived') or '0') ~= first - 1 then return 0 end
if #ARGV - 3 ~= last - first + 1 then return redis.error_reply('a segment with other ids') end
for index = 4, #ARGV do
  local number = redis.call('ZSCORE', root .. ':promotions', ARGV[index])
  if tonumber(number or '0') ~= first + index - 4 then return 0 end
end
for index = 4, #ARGV do
  local id = ARGV[index]
  redis.call('HSET', tombstones(id), id, ARGV[1] + index - 4)
  redis.call('DEL', promotion_key(id), root .. ':events:' .. id)
  redis.call('ZREM', root .. ':promotions', id)
  redis.call('ZREM', index_of(id), id)
end
redis.call('ZADD', root .. ':segments', last, ARGV[1] .. ' ' .. sha256)
redis.call('SET', root .. ':archived', ARGV[2])
return 1
