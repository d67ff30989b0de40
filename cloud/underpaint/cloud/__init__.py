"""The cloud tier: the full engine as a Ray Serve application."""
