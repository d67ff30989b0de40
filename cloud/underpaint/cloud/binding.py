"""Makes Serve's gRPC ingress use TLS and listen on one host instead of every interface."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from underpaint.contract.addresses import Address
from underpaint.contract.tls import TlsDirectory

HOST_VARIABLE: Final = "UNDERPAINT_CLOUD_HOST"
TLS_VARIABLE: Final = "UNDERPAINT_CLOUD_TLS_DIR"


def bind_to_host() -> None:
    """Called in the proxy's process, before its servers start.

    Serve 2.60 has an option for the HTTP host only: its gRPC address is `[::]:port`, without
    TLS (RAY_USE_TLS is for Ray's own connections), in
    `ray.serve._private.default_impl.add_grpc_address`, which is looked up as it is called.
    RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH names this function; the host and the TLS
    directory come from the environment, the only thing a proxy gets from whoever started Ray.
    """
    from ray.serve._private import default_impl
    from ray.serve._private.grpc_util import gRPCGenericServer

    host = os.environ.get(HOST_VARIABLE, "::")
    tls_dir = os.environ.get(TLS_VARIABLE)
    credentials = TlsDirectory(Path(tls_dir)).server_credentials() if tls_dir else None

    def add_grpc_address(grpc_server: gRPCGenericServer, server_address: str) -> None:
        address = str(Address(host, int(server_address.rpartition(":")[2])))
        if credentials:
            grpc_server.add_secure_port(address, credentials)
        else:
            grpc_server.add_insecure_port(address)

    default_impl.add_grpc_address = add_grpc_address
