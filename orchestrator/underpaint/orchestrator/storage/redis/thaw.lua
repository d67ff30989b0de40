-- Allows reservations again.
-- ARGV: because
local reason = redis.call('GETDEL', root .. ':frozen')
if reason then entry('thaw', 'note', ARGV[1]) end
return reason or ''
