"""The families of models that can be loaded: a file for each, and the table of all."""
