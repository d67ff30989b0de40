"""The gRPC API of the orchestrator: one servicer per concern, and the roles that each RPC needs."""
