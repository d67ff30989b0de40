"""The `underpaint` command line."""
