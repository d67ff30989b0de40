"""The control plane: prices, policy, reservations, promotions and the ledger."""
