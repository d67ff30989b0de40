-- Keeps a quote for its lifetime.
-- ARGV: id, lifetime in ms, content, max, quote, price
local key = root .. ':quote:' .. ARGV[1]
redis.call('HSET', key, 'content', ARGV[3], 'max', ARGV[4], 'quote', ARGV[5], 'price', ARGV[6])
redis.call('PEXPIRE', key, ARGV[2])
