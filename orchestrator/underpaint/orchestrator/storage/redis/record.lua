-- Records what an engine made, before the artifact is stored.
-- ARGV: id, fence, outcome, sha256 of the artifact
if not leased(ARGV[1], ARGV[2]) then return {'lost'} end
redis.call('HSET', promotion_key(ARGV[1]), 'outcome', ARGV[3])
keep(ARGV[4])
return {'held'}
