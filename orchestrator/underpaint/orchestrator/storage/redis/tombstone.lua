-- The number of an archived promotion, or 0.
-- ARGV: id
return redis.call('HGET', tombstones(ARGV[1]), ARGV[1]) or '0'
