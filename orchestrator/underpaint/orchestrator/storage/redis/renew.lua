-- Extends a lease. JUSTID leaves the delivery count unchanged.
-- ARGV: consumer, id, fence
local promotion = leased(ARGV[2], ARGV[3])
if not promotion then return {'lost'} end
redis.call('XCLAIM', WORK, GROUP, ARGV[1], 0, promotion.entry, 'JUSTID')
return {'held', promotion.cancel or '0'}
