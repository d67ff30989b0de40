-- Sets the limit of a scope.
-- ARGV: scope, limit, 1 to do so only if no scope has one
if ARGV[3] == '1' and redis.call('SCARD', root .. ':budgets') > 0 then return {'kept'} end
redis.call('SADD', root .. ':budgets', ARGV[1])
redis.call('SADD', root .. ':scopes', ARGV[1])
redis.call('HSET', scope_key(ARGV[1]), 'limit', ARGV[2])
local budget = redis.call('HMGET', scope_key(ARGV[1]), 'spent', 'reserved')
return {'set', budget[1] or '0', budget[2] or '0'}
