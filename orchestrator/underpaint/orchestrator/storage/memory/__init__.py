"""The stores in this process's memory, for tests; they behave like those in Redis."""
