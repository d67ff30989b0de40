-- Notes a picture as sent before it is stored; the note ends when a promotion refers to it.
-- ARGV: sha256, 1 if it is stored already
local sha256 = ARGV[1]
if redis.call('EXISTS', sweeping_key(sha256)) == 1 then return 0 end
-- A stored picture without a note belongs to somebody else and must not be removed.
if redis.call('ZSCORE', EXPECTED, sha256)
    or (ARGV[2] == '0' and redis.call('EXISTS', kept_key(sha256)) == 0) then
  redis.call('ZADD', EXPECTED, now(), sha256)
end
return 1
