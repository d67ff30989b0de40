"""Money: the entries, what they add up to, and the proof that they do."""
