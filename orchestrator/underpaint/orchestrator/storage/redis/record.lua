-- What an engine made, before the artifact is stored.
-- ARGV: id, fence, outcome
if not leased(ARGV[1], ARGV[2]) then return {'lost'} end
redis.call('HSET', promotion_key(ARGV[1]), 'outcome', ARGV[3])
return {'held'}
