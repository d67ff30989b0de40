"""What implements the stores: Redis, and its twin in memory."""
