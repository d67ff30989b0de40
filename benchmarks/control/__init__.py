"""Compares the control plane with another gateway; measures how it scales and where time goes."""
