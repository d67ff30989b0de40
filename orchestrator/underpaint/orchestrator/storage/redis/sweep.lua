-- Finds pictures that no promotion refers to, and marks them as being removed.
-- ARGV: milliseconds since they were last sent, most
local before = tonumber(now()) - tonumber(ARGV[1])
local found = redis.call('ZRANGEBYSCORE', EXPECTED, '-inf', before, 'LIMIT', 0, ARGV[2])
for _, sha256 in ipairs(found) do
  redis.call('ZREM', EXPECTED, sha256)
  redis.call('SET', sweeping_key(sha256), '1', 'PX', SWEEPING_MS)
end
return found
