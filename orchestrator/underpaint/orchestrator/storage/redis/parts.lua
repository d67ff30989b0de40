-- Reads one part of the balances at one moment, small enough not to delay other commands.
-- ARGV: kind ('scopes', 'balance', 'spend' or 'open'), window or day, cursor of the part before or
--   0, about how many
local which, name, cursor, count = unpack(ARGV, 1, 4)
local rows = {}

-- The scopes or cells that the fields of a hash belong to, each once.
local function named(found)
  local names, seen = {}, {}
  for index = 1, #found, 2 do
    local of = string.match(found[index], '^%S+ (.*)$')
    if of and not seen[of] then
      seen[of] = true
      names[#names + 1] = of
    end
  end
  return names
end

local found
if which == 'scopes' then
  found = redis.call('SSCAN', root .. ':scopes', cursor, 'COUNT', count)
  for _, scope in ipairs(found[2]) do rows[#rows + 1] = scope_row(scope) end
elseif which == 'balance' then
  found = redis.call('HSCAN', balance_key(name), cursor, 'COUNT', count)
  for _, scope in ipairs(named(found[2])) do rows[#rows + 1] = balance_row(scope, name) end
elseif which == 'spend' then
  found = redis.call('HSCAN', spend_key(name), cursor, 'COUNT', count)
  for _, cell in ipairs(named(found[2])) do rows[#rows + 1] = spend_row(name, cell) end
else
  found = redis.call('ZSCAN', DEADLINES, cursor, 'COUNT', count)
  for index = 1, #found[2], 2 do rows[#rows + 1] = open_row(found[2][index]) end
end
return {told(), found[1], rows}
