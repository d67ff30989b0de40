"""The control plane: prices, decides, reserves, promotes, accounts."""
