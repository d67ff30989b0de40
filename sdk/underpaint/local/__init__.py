"""A whole Underpaint on one machine: started, watched, stopped."""
