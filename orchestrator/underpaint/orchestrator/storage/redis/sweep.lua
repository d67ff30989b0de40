-- Pictures that no promotion has come to have; they are marked while they are removed.
-- ARGV: milliseconds since they were last sent, most
local before = tonumber(now()) - tonumber(ARGV[1])
local found = redis.call('ZRANGEBYSCORE', EXPECTED, '-inf', before, 'LIMIT', 0, ARGV[2])
for _, sha256 in ipairs(found) do
  redis.call('ZREM', EXPECTED, sha256)
  redis.call('SET', sweeping_key(sha256), '1', 'PX', SWEEPING_MS)
end
return found
