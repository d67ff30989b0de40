-- Replaces promotions by tombstones and stores the segment that holds them.
-- ARGV: first number, last number and sha256 of the segment; first number and sha256 of the
--   segment that it replaces, or '' twice for one that begins after all others;
--   then number and id of each promotion that is new in it
local first, last, sha256 = ARGV[1], ARGV[2], ARGV[3]
local SEGMENTS = root .. ':segments'
local before = ARGV[4] ~= '' and ARGV[4] .. ' ' .. ARGV[5] or nil
if before then
  if redis.call('ZSCORE', SEGMENTS, before) ~= last then return 0 end
elseif tonumber(redis.call('GET', root .. ':archived') or '0') >= tonumber(first) then
  return 0
end
for index = 6, #ARGV, 2 do
  if redis.call('ZSCORE', root .. ':promotions', ARGV[index + 1]) ~= ARGV[index] then return 0 end
end
for index = 6, #ARGV, 2 do
  local number, id = ARGV[index], ARGV[index + 1]
  redis.call('HSET', tombstones(id), id, number)
  redis.call('DEL', promotion_key(id), root .. ':events:' .. id)
  redis.call('ZREM', root .. ':promotions', id)
  redis.call('ZREM', index_of(id), id)
  redis.call('ZREM', index_of(id), id)
end
if before then redis.call('ZREM', SEGMENTS, before) end
redis.call('ZADD', SEGMENTS, last, first .. ' ' .. sha256)
if not before then redis.call('SET', root .. ':archived', last) end
return 1
