"""What the tiers share: words, limits, errors, and how they travel."""
