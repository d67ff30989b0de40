"""The faults of tests/faults mixed, for as long as asked."""
