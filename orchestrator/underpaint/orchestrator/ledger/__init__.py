"""Money: the ledger's entries, the balances, and the audit that compares the two."""
