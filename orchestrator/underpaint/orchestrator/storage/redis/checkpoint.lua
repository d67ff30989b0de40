-- Keeps a checkpoint, if the one before is still the one it was made from.
-- ARGV: entry, number, sha256, sha256 of the one before or ''
local key = root .. ':checkpoint'
if (redis.call('HGET', key, 'sha256') or '') ~= ARGV[4] then return 0 end
redis.call('HSET', key, 'entry', ARGV[1], 'number', ARGV[2], 'sha256', ARGV[3])
return 1
