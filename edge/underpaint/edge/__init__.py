"""The artist's machine: drafts at once, privately and free."""
