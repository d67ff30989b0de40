"""The stores in Redis; each script lies beside the module that runs it."""
