-- Refuses new reservations.
-- ARGV: reason
freeze(ARGV[1])
