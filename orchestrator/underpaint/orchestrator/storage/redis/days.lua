-- The days with balances, and the closed days.
return {told(), redis.call('ZRANGE', root .. ':days', 0, -1),
  redis.call('HGETALL', root .. ':closed')}
