-- Appends a progress event.
-- ARGV: id, fence, message, step, steps, preview
if not leased(ARGV[1], ARGV[2]) then return {'lost'} end
event(ARGV[1], 'running', ARGV[3], ARGV[4], ARGV[5], ARGV[6])
return {'held'}
