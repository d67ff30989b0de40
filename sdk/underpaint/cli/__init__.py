"""The `underpaint` command line."""

import os

# gRPC's own lines about a connection that fails; read when it is imported. What it raises is
# told in a line of ours.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
