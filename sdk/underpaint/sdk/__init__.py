"""The Python client and the `underpaint` command line."""
