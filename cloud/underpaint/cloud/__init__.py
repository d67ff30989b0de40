"""The Ray Serve application: the full engine."""
