-- Records what an engine made, before the artifact is stored.
-- ARGV: id, fence, outcome, sha256 of the artifact or '' if it is withheld
if not leased(ARGV[1], ARGV[2]) then return {'lost'} end
redis.call('HSET', promotion_key(ARGV[1]), 'outcome', ARGV[3])
if ARGV[4] ~= '' then keep(ARGV[4]) end
return {'held'}
