-- Limits with their balances: those in force today of some scopes, or all limits.
-- ARGV: scopes, or '' for all limits
local day, found = today(), {}
local scopes = scopes_of(ARGV[1])
if ARGV[1] == '' then
  scopes = redis.call('SMEMBERS', root .. ':budgets')
  table.sort(scopes)
end
for _, scope in ipairs(scopes) do
  for _, budget in ipairs(limits_of(scope, day, ARGV[1] ~= '')) do found[#found + 1] = budget end
end
return found
