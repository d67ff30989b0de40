"""Recipes that make the bundled Lite and Full pipelines. Not part of the wheel."""

import os

# Threads that spin at OpenMP's barriers starve each other where cores are shared with other work.
# Read as torch loads, so it stands before any import of torch.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
