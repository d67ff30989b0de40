"""Runs all of Underpaint's services on one machine."""
