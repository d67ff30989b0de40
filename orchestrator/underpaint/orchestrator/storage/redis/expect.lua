-- Notes a picture that is about to be stored, until a promotion has it.
-- ARGV: sha256, whether it is stored already
local sha256 = ARGV[1]
if redis.call('EXISTS', sweeping_key(sha256)) == 1 then return 0 end
-- What is stored and not expected belongs to somebody: it is not ours to sweep.
if redis.call('ZSCORE', EXPECTED, sha256)
    or (ARGV[2] == '0' and redis.call('EXISTS', kept_key(sha256)) == 0) then
  redis.call('ZADD', EXPECTED, now(), sha256)
end
return 1
