"""Translates between domain errors and gRPC statuses, by one table.

A status carries the name of the error's class in google.rpc.ErrorInfo, so that the client raises
the same error as the server. For a picture that is withheld, it also carries what it took to make.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, cast

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from underpaint.contract import errors
from underpaint.contract.errors import UnderpaintError

DOMAIN: Final = "underpaint"

CODES: Final[dict[type[UnderpaintError], grpc.StatusCode]] = {
    errors.InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InvalidModel: grpc.StatusCode.INVALID_ARGUMENT,
    errors.DraftNotFound: grpc.StatusCode.NOT_FOUND,
    errors.PromotionNotFound: grpc.StatusCode.NOT_FOUND,
    errors.ArtifactNotFound: grpc.StatusCode.NOT_FOUND,
    errors.PromotionConflict: grpc.StatusCode.ALREADY_EXISTS,
    errors.NotAllowed: grpc.StatusCode.PERMISSION_DENIED,
    errors.PolicyRefused: grpc.StatusCode.PERMISSION_DENIED,
    errors.PrivacyViolation: grpc.StatusCode.PERMISSION_DENIED,
    errors.BudgetExceeded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.QuoteExpired: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ReservationExpired: grpc.StatusCode.FAILED_PRECONDITION,
    errors.NotWaiting: grpc.StatusCode.FAILED_PRECONDITION,
    errors.NotDead: grpc.StatusCode.FAILED_PRECONDITION,
    errors.LedgerFrozen: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.EngineBusy: grpc.StatusCode.UNAVAILABLE,
    errors.LedgerUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.ServiceUnreachable: grpc.StatusCode.UNAVAILABLE,
    errors.DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.EngineFailed: grpc.StatusCode.INTERNAL,
    errors.ResultFlagged: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ResultUnusable: grpc.StatusCode.FAILED_PRECONDITION,
}

# The error of a status without ErrorInfo, which comes from the gRPC library itself or from
# Serve's proxy when it is busy.
BARE: Final[dict[grpc.StatusCode, type[UnderpaintError]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidRequest,
    grpc.StatusCode.UNAUTHENTICATED: errors.Unauthenticated,
    grpc.StatusCode.UNAVAILABLE: errors.ServiceUnreachable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.EngineBusy,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    grpc.StatusCode.UNIMPLEMENTED: errors.ServiceUnreachable,
}

_BY_NAME: Final = {error.__name__: error for error in CODES}


def to_status(error: UnderpaintError) -> grpc.Status:
    """The gRPC status of a domain error, with its class name in the details."""
    code = CODES[type(error)]
    info = any_pb2.Any()
    more: dict[str, str] = {}
    if isinstance(error, errors.ResultWithheld):
        more = {"model": error.model, "gpu_seconds": repr(error.gpu_seconds)}
    info.Pack(
        error_details_pb2.ErrorInfo(reason=type(error).__name__, domain=DOMAIN, metadata=more)
    )
    number = code_pb2.Code.Value(code.name)
    return rpc_status.to_status(status_pb2.Status(code=number, message=str(error), details=[info]))


def from_rpc(
    error: grpc.aio.AioRpcError,
    service: str,
    explain: Callable[[str], str] = "{}; is it running?".format,
) -> UnderpaintError:
    """The domain error of a failed call.

    Args:
        error: the error that grpc raised.
        service: the service and its address, for the message.
        explain: makes the message about a service out of reach from grpc's message.
    """
    message = error.details() or error.code().name
    rich = rpc_status.from_call(cast(grpc.Call, error))
    for detail in rich.details if rich else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info) and info.domain == DOMAIN and info.reason in _BY_NAME:
            return _named(info, message)
    kind = BARE.get(error.code(), errors.EngineFailed)
    if kind is errors.ServiceUnreachable:
        return kind(f"{service} is out of reach: {explain(message)}")
    if kind is errors.DeadlineExceeded:
        return kind(f"{service} did not answer in time; try again or allow it longer")
    return kind(f"{service}: {message}")


def _named(info: error_details_pb2.ErrorInfo, message: str) -> UnderpaintError:
    kind = _BY_NAME[info.reason]
    if not issubclass(kind, errors.ResultWithheld):
        return kind(message)
    try:
        gpu_seconds = float(info.metadata["gpu_seconds"])
    except ValueError:
        gpu_seconds = math.nan  # it cannot be charged
    return kind(message, model=info.metadata["model"], gpu_seconds=gpu_seconds)
