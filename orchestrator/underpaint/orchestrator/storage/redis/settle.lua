-- Charges at most the reservation, returns the rest and ends the promotion.
-- ARGV: id, fence, charged, cloud only, message
local id, fence, charged, cloud_only, message = unpack(ARGV, 1, 5)
local promotion = leased(id, fence)
if not promotion then return {'lost'} end
if not promotion.outcome then
  return redis.error_reply('UNRECORDED ' .. id .. ' has no outcome to settle')
end
if tonumber(charged) > tonumber(promotion.max) or tonumber(charged) < 0 then
  return {'overcharge', promotion.max}
end
local model = cjson.decode(promotion.outcome).model
local wrong = resolve(id, promotion, 'settle', 'settled', charged, message,
  'model', model, 'cloud_only', cloud_only)
if wrong then return wrong end
redis.call('HSET', promotion_key(id), 'charged', charged, 'cloud_only', cloud_only)
local cell = ' ' .. promotion.scopes .. ' ' .. model
redis.call('HINCRBY', spend_key(promotion.day), 'promotions' .. cell, 1)
redis.call('HINCRBY', spend_key(promotion.day), 'charged' .. cell, charged)
redis.call('HINCRBY', spend_key(promotion.day), 'cloud_only' .. cell, cloud_only)
return {'held', stored(id)}
