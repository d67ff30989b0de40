"""The common part of all gRPC servers.

A server turns domain errors into statuses, enforces the deadline of each call, and asks for the
token if one is set. It listens where other machines can reach it only with tokens and TLS.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from underpaint.contract.addresses import parse_address
from underpaint.contract.deadlines import DEADLINES
from underpaint.contract.errors import (
    DeadlineExceeded,
    EngineFailed,
    InvalidRequest,
    Unauthenticated,
    UnderpaintError,
)
from underpaint.contract.status import to_status
from underpaint.contract.tls import TlsDirectory

log = logging.getLogger(__name__)

T = TypeVar("T")
Admit = Callable[[str | bytes | None], Unauthenticated | None]
MESSAGE_BYTES: Final = 4 * 2**20  # gRPC's own limit
# More messages than the pictures of a promotion need; a caller that never stops is cut off.
_DRAINED: Final = 64  # messages
_DRAIN_S: Final = 2.0


class RimInterceptor(grpc.aio.ServerInterceptor):
    """Errors, deadlines and the token, for every RPC of a server."""

    def __init__(self, token: str = "", admit: Admit | None = None) -> None:
        """`admit` checks a call's authorization metadata; without it, `token` must be sent."""
        self._admit = admit or (lambda given: check_token(token, given))

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]
        ],
        details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wraps the handler; methods of other services, such as health, are left alone."""
        handler = await continuation(details)
        if handler is None or details.method not in DEADLINES:
            return handler
        metadata = dict(details.invocation_metadata or ())
        refusal = self.refusal_of(metadata.get("authorization"))
        cap = DEADLINES[details.method]
        if handler.response_streaming:
            inner_stream: Any = (
                handler.stream_stream if handler.request_streaming else handler.unary_stream
            )

            async def stream(
                request: Any, context: grpc.aio.ServicerContext[Any, Any]
            ) -> AsyncIterator[Any]:
                try:
                    if refusal:
                        raise refusal
                    async for answer in _within(
                        inner_stream(request, context), _remaining(context, cap)
                    ):
                        yield answer
                except UnderpaintError as error:
                    await _abort(context, error)
                except (asyncio.CancelledError, GeneratorExit, grpc.aio.AbortError):
                    raise
                except Exception:
                    await _abort(context, _unforeseen(details.method))

            make = (
                grpc.stream_stream_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_stream_rpc_method_handler
            )
            return make(stream, handler.request_deserializer, handler.response_serializer)

        inner_unary: Any = (
            handler.stream_unary if handler.request_streaming else handler.unary_unary
        )

        async def unary(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            try:
                if refusal:
                    raise refusal
                async with asyncio.timeout(_remaining(context, cap)):
                    return await inner_unary(request, context)
            except UnderpaintError as error:
                if handler.request_streaming:
                    await _drain(request)
                await _abort(context, error)
            except TimeoutError:
                await _abort(
                    context, DeadlineExceeded("the deadline passed; allow the call longer")
                )
            except (asyncio.CancelledError, grpc.aio.AbortError):
                raise
            except Exception:
                await _abort(context, _unforeseen(details.method))

        make_unary = (
            grpc.stream_unary_rpc_method_handler
            if handler.request_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        return make_unary(unary, handler.request_deserializer, handler.response_serializer)

    def refusal_of(self, authorization: str | bytes | None) -> Unauthenticated | None:
        """The error for a call with this authorization; None if it is accepted."""
        return self._admit(authorization)


class Readiness:
    """The health status of a server's services, for servers that listen before they are ready."""

    def __init__(self) -> None:
        self.servicer = health.aio.HealthServicer()
        self.services: tuple[str, ...] = ("",)

    async def set(self, serving: bool) -> None:
        """Reports all services as SERVING or NOT_SERVING."""
        states = health_pb2.HealthCheckResponse
        for service in self.services:
            await self.servicer.set(service, states.SERVING if serving else states.NOT_SERVING)


def check_token(expected: str, authorization: str | bytes | None) -> Unauthenticated | None:
    """The error for a call without the expected token; None if it is right or none is expected."""
    if not expected:
        return None
    given = authorization if isinstance(authorization, bytes) else (authorization or "").encode()
    if hmac.compare_digest(given, f"Bearer {expected}".encode()):
        return None
    return Unauthenticated("the token is missing or wrong; set UNDERPAINT_TOKEN_FILE")


def check_exposure(address: str, *, token: bool, tls: bool, insecure: bool) -> None:
    """Refuses to listen unprotected where other machines can reach it.

    Args:
        address: HOST:PORT to listen on.
        token: whether callers must send a token.
        tls: whether connections use TLS with certificates on both sides.
        insecure: whether to allow it anyway, with a warning.

    Raises:
        InvalidRequest: names what is missing.
    """
    if parse_address(address, listening=True).is_loopback or (token and tls):
        return
    missing = " and no ".join(
        what for what, there in (("tokens", token), ("TLS (--tls-dir)", tls)) if not there
    )
    if not insecure:
        raise InvalidRequest(
            f"{address} can be reached from other machines, and it has no {missing}; set that "
            "up, listen on 127.0.0.1, or say --insecure if everyone on the network is trusted"
        )
    log.warning("%s can be reached from other machines and has no %s", address, missing)


async def start_server(
    address: str,
    register: Callable[[grpc.aio.Server], None],
    services: Sequence[str],
    *,
    token: str = "",
    reflect: bool = False,
    readiness: Readiness | None = None,
    admit: Admit | None = None,
    tls_dir: Path | None = None,
    insecure: bool = False,
    message_bytes: int = MESSAGE_BYTES,
) -> tuple[grpc.aio.Server, int]:
    """Starts a server with health (and, if asked, reflection); returns it and its port.

    Args:
        address: host:port; port 0 takes a free one.
        register: adds the servicers.
        services: full names, reported as SERVING; or as NOT_SERVING, if a readiness is given.
        token: what every call must bring; empty asks for none.
        reflect: whether to list the services to whoever asks.
        readiness: sets the services to SERVING once they are.
        admit: checks the authorization of calls, instead of `token`.
        tls_dir: its certificates; callers must then have one of the same authority.
        insecure: whether other machines may connect without a token or without TLS.
        message_bytes: the largest message that a caller may send.

    Raises:
        InvalidRequest: the address is taken, wrong or unprotected, or the certificates are.
    """
    rim = RimInterceptor(token, admit)
    check_exposure(
        address,
        token=rim.refusal_of(None) is not None,
        tls=tls_dir is not None,
        insecure=insecure,
    )
    credentials = TlsDirectory(tls_dir).server_credentials() if tls_dir else None
    server = grpc.aio.server(
        interceptors=[rim],
        options=[
            # Two servers on one port would share its calls silently.
            ("grpc.so_reuseport", 0),
            # Otherwise gRPC receives megabytes of a stream before the memory limit applies.
            ("grpc.http2.bdp_probe", 0),
            ("grpc.max_receive_message_length", message_bytes),
        ],
    )
    register(server)
    own = readiness or Readiness()
    own.services = ("", *services)
    health_pb2_grpc.add_HealthServicer_to_server(own.servicer, server)
    await own.set(serving=readiness is None)
    if reflect:
        names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
    try:
        if credentials:
            port = server.add_secure_port(address, credentials)
        else:
            port = server.add_insecure_port(address)
    except RuntimeError:
        raise InvalidRequest(
            f"cannot listen on {address}: the port is in use or the host is not this machine's; "
            "choose another"
        ) from None
    await server.start()
    return server, port


def _remaining(context: grpc.aio.ServicerContext[Any, Any], cap: float) -> float:
    remaining = context.time_remaining()
    return cap if remaining is None else min(remaining, cap)


async def _within(answers: AsyncIterable[T], seconds: float) -> AsyncIterator[T]:
    """Yields the same answers; raises DeadlineExceeded at the deadline."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    iterator = aiter(answers)
    try:
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    answer = await anext(iterator)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise DeadlineExceeded("the deadline passed; allow the call longer") from None
            yield answer
    finally:
        # An unfinished generator would keep its resources until it is garbage-collected.
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()


async def _drain(requests: AsyncIterable[Any]) -> None:
    """Reads what the caller is still sending, up to a limit, before the call is refused.

    Otherwise a grpc.aio client that is still writing may see only INTERNAL without the reason.
    """
    left = _DRAINED
    with suppress(TimeoutError, grpc.aio.UsageError, grpc.aio.InternalError):
        async with asyncio.timeout(_DRAIN_S):
            async for _ in requests:
                left -= 1
                if not left:
                    return


async def _abort(context: grpc.aio.ServicerContext[Any, Any], error: UnderpaintError) -> None:
    status = to_status(error)
    await context.abort(status.code, status.details, status.trailing_metadata)


def _unforeseen(method: str) -> EngineFailed:
    log.exception("unexpected error in %s", method)
    return EngineFailed("an unexpected error; the service's log has the details")
