-- Returns the whole reservation and ends the promotion.
-- ARGV: id, fence, reason, 1 if it is dead, why its picture is withheld or ''
local promotion = leased(ARGV[1], ARGV[2])
if not promotion then return {'lost'} end
local wrong = resolve(ARGV[1], promotion, 'release', 'released', '0', ARGV[3])
if wrong then return wrong end
if ARGV[5] ~= '' then redis.call('HSET', promotion_key(ARGV[1]), 'withheld', ARGV[5]) end
if ARGV[4] == '1' and not promotion.cancel then bury(ARGV[1]) end
return {'held', stored(ARGV[1])}
