-- Reads some balances by name, all at one moment.
-- ARGV: how many amounts, how many cells;
--   for each amount: scope, window; for each cell: day, cell; then ids of promotions
local scopes, windows, spend, open = {}, {}, {}, {}
local at = 3
for _ = 1, tonumber(ARGV[1]) do
  local scope, window = ARGV[at], ARGV[at + 1]
  if window == '' then
    scopes[#scopes + 1] = scope_row(scope)
  else
    windows[#windows + 1] = balance_row(scope, window)
  end
  at = at + 2
end
for _ = 1, tonumber(ARGV[2]) do
  spend[#spend + 1] = spend_row(ARGV[at], ARGV[at + 1])
  at = at + 2
end
for index = at, #ARGV do open[#open + 1] = open_row(ARGV[index]) end
return {told(), scopes, windows, spend, open}
