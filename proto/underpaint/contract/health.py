"""Checks that a service is healthy, over the same kind of connection as its callers use.

`python -m underpaint.contract.health HOST:PORT` exits with 0 if it is, with 1 if it is not, and
with 2 for wrong arguments. It is meant for the health checks of containers.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from underpaint.contract.addresses import parse_address
from underpaint.contract.errors import InvalidRequest, UnderpaintError
from underpaint.contract.rim.client import Connection

_TIMEOUT_S: Final = 2.0
_TLS_DIR: Final = "UNDERPAINT_TLS_DIR"


async def unhealthy(address: str, tls_dir: Path | None = None, *, own: bool = False) -> str:
    """Why a service is not SERVING; "" if it is. A cloud is, once a replica has answered.

    Args:
        address: HOST:PORT.
        tls_dir: directory with certificates; None connects without TLS.
        own: whether the service uses the same certificates, which need not name its address.

    Raises:
        InvalidRequest: the address is not valid, or the certificates cannot be used.
    """
    connection: Connection[Any] = Connection(
        f"the service at {address}", address, _stub, tls_dir=tls_dir, own=own
    )
    try:
        with connection.translated():
            answer = await connection.stub.Check(
                health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_S
            )
    except UnderpaintError as error:
        return str(error)
    finally:
        await connection.close()
    serving = answer.status == health_pb2.HealthCheckResponse.SERVING
    return "" if serving else f"the service at {address} answers but is not ready yet"


def _stub(channel: grpc.aio.Channel) -> object:
    return health_pb2_grpc.HealthStub(channel)


def main(arguments: list[str]) -> int:
    """Asks once and returns the exit code."""
    if len(arguments) != 1:
        print("write: python -m underpaint.contract.health HOST:PORT", file=sys.stderr)
        return 2
    directory = os.environ.get(_TLS_DIR)
    try:
        own = parse_address(arguments[0]).is_loopback
        tls_dir = Path(directory) if directory else None
        why = asyncio.run(unhealthy(arguments[0], tls_dir, own=own))
    except InvalidRequest as error:
        print(error, file=sys.stderr)
        return 2
    if why:
        print(why, file=sys.stderr)
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
