-- Limits with what of them is gone: of some scopes those that hold today, or of all.
-- ARGV: scopes, or '' for every limit there is
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
