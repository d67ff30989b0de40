"""The stores in Redis; each Lua script is beside the module that runs it."""
