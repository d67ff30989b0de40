-- Stores a quote for its lifetime.
-- ARGV: id, lifetime in ms, content, max, quote, price, caller, party
local key = quote_key(ARGV[1])
redis.call('HSET', key, 'content', ARGV[3], 'max', ARGV[4], 'quote', ARGV[5], 'price', ARGV[6],
  'caller', ARGV[7], 'party', ARGV[8])
redis.call('PEXPIRE', key, ARGV[2])
