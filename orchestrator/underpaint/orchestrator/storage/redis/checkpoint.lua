-- Stores a checkpoint if the latest is still the one it was made from, and closes days. Nothing can
-- be reserved on these days and no reservation of them is open, so the checkpoint has all of them.
-- ARGV: entry, number, sha256, sha256 of the checkpoint it was made from or '',
--   the last day that is over in days since 1970, or '',
--   how many days are closed, for each day and sha256 of its spend, then months
local key = root .. ':checkpoint'
if (redis.call('HGET', key, 'sha256') or '') ~= ARGV[4] then return 0 end
redis.call('HSET', key, 'entry', ARGV[1], 'number', ARGV[2], 'sha256', ARGV[3])
local over = tonumber(redis.call('GET', root .. ':over') or '-1')
if ARGV[5] ~= '' and tonumber(ARGV[5]) > over then redis.call('SET', root .. ':over', ARGV[5]) end
local months = 7 + 2 * tonumber(ARGV[6])
for index = 7, months - 1, 2 do
  local day = ARGV[index]
  redis.call('HSET', root .. ':closed', day, ARGV[index + 1])
  redis.call('UNLINK', balance_key(day), spend_key(day))
  redis.call('ZREM', root .. ':days', day)
end
for index = months, #ARGV do redis.call('UNLINK', balance_key(ARGV[index])) end
return 1
