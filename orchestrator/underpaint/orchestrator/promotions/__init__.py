"""The life of a promotion: quote, promote, approve, run, settle, archive."""
