"""What the control plane can be asked: one servicer for each concern, and who may ask."""
