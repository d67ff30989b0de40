"""The implementations of the stores: in Redis, and in memory for tests."""
