"""Runs the faults of tests/faults in a random mix for a given time."""
