-- Gives the whole reservation back and ends the promotion.
-- ARGV: id, fence, reason
local promotion = leased(ARGV[1], ARGV[2])
if not promotion then return {'lost'} end
local wrong = resolve(ARGV[1], promotion, 'release', 'released', '0', ARGV[3])
if wrong then return wrong end
return {'held', stored(ARGV[1])}
