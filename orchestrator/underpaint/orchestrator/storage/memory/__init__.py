"""The stores in this process, twins of those in Redis: for tests and trials."""
