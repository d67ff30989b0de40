"""Makes Serve's gRPC ingress listen on one host instead of on every interface."""

from __future__ import annotations

import os
from typing import Final

HOST_VARIABLE: Final = "UNDERPAINT_CLOUD_HOST"


def bind_to_host() -> None:
    """Called in the proxy's process, before its servers start.

    Serve 2.60 has an option for the HTTP host only: its gRPC address is `[::]:port`, in
    `ray.serve._private.default_impl.add_grpc_address`, which is looked up as it is called.
    RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH names this function; the host comes from the
    environment, the only thing a proxy gets from whoever started Ray.
    """
    from ray.serve._private import default_impl
    from ray.serve._private.grpc_util import gRPCGenericServer

    host = os.environ[HOST_VARIABLE]

    def add_grpc_address(grpc_server: gRPCGenericServer, server_address: str) -> None:
        port = server_address.rpartition(":")[2]
        grpc_server.add_insecure_port(f"{host}:{port}")

    default_impl.add_grpc_address = add_grpc_address
