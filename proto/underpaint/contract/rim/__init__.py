"""The common part of all gRPC servers and clients."""

from underpaint.contract.rim.client import (
    Connection,
    call_options,
    open_channel,
    read_token,
    translated,
)
from underpaint.contract.rim.server import (
    MESSAGE_BYTES,
    Admit,
    Readiness,
    RimInterceptor,
    check_exposure,
    check_token,
    start_server,
)

__all__ = [
    "MESSAGE_BYTES",
    "Admit",
    "Connection",
    "Readiness",
    "RimInterceptor",
    "call_options",
    "check_exposure",
    "check_token",
    "open_channel",
    "read_token",
    "start_server",
    "translated",
]
