"""Loads and calls diffusers pipelines. The only part of engines that imports torch."""
