-- Charges at most the reservation, returns the rest and ends the promotion.
-- A promotion whose outcome is withheld ends without a picture and counts as failed.
-- ARGV: id, fence, charged, cloud only, the charge in words
local id, fence, charged, cloud_only, words = unpack(ARGV, 1, 5)
local promotion = leased(id, fence)
if not promotion then return {'lost'} end
if not promotion.outcome then
  return redis.error_reply('UNRECORDED ' .. id .. ' has no outcome to settle')
end
if tonumber(charged) > tonumber(promotion.max) or tonumber(charged) < 0 then
  return {'overcharge', promotion.max}
end
local outcome = cjson.decode(promotion.outcome)
local model = outcome.model
-- An older version recorded neither.
local withheld, reason = outcome.withheld or '', outcome.reason or ''
local message = (reason == '' and 'finished' or reason) .. '; ' .. words
local wrong = resolve(id, promotion, 'settle', 'settled', charged, message,
  'model', model, 'cloud_only', cloud_only)
if wrong then return wrong end
redis.call('HSET', promotion_key(id), 'charged', charged, 'cloud_only', cloud_only)
if withheld ~= '' then
  redis.call('HSET', promotion_key(id), 'withheld', withheld, 'reason', message)
  if not promotion.cancel then bury(id) end
end
local cell = ' ' .. promotion.scopes .. ' ' .. model
redis.call('HINCRBY', spend_key(promotion.day), 'promotions' .. cell, 1)
redis.call('HINCRBY', spend_key(promotion.day), 'charged' .. cell, charged)
redis.call('HINCRBY', spend_key(promotion.day), 'cloud_only' .. cell, cloud_only)
return {'held', stored(id)}
