"""Both rims of gRPC: what every server does to a call, and what every client does.

A server turns domain errors into statuses, holds each call to its deadline, and asks
for the token where one is set. A client gives each call a deadline and turns statuses
back into domain errors.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from underpaint.contract.deadlines import DEADLINES
from underpaint.contract.errors import (
    DeadlineExceeded,
    EngineFailed,
    InvalidRequest,
    Unauthenticated,
    UnderpaintError,
)
from underpaint.contract.status import from_rpc, to_status

log = logging.getLogger(__name__)

T = TypeVar("T")
Admit = Callable[[str | bytes | None], Unauthenticated | None]
# More than any picture that may be sent; a caller who sends without end is cut off.
_DRAINED: Final = 32  # messages
_DRAIN_S: Final = 2.0
_CHANNEL_OPTIONS: Final = (
    ("grpc.enable_retries", 0),
    ("grpc.keepalive_time_ms", 30_000),
    # By default it grows to two minutes, during which a service that is back seems out of reach.
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Otherwise a new channel inherits the backoff of another one to the same address.
    ("grpc.use_local_subchannel_pool", 1),
)


class RimInterceptor(grpc.aio.ServerInterceptor):
    """Errors, deadlines and the token, for every RPC of a server."""

    def __init__(self, token: str = "", admit: Admit | None = None) -> None:
        """`admit` judges a call's authorization metadata in place of the one token."""
        self._admit = admit or (lambda given: check_token(token, given))

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]
        ],
        details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wraps the handler; a foreign method passes as it is."""
        handler = await continuation(details)
        if handler is None or details.method not in DEADLINES:
            return handler
        refusal = self._refusal(details)
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

    def _refusal(self, details: grpc.HandlerCallDetails) -> Unauthenticated | None:
        return self._admit(dict(details.invocation_metadata or ()).get("authorization"))


class Readiness:
    """Whether a server's services report SERVING: for one that listens while it still loads."""

    def __init__(self) -> None:
        self.servicer = health.aio.HealthServicer()
        self.services: tuple[str, ...] = ("",)

    async def set(self, serving: bool) -> None:
        """Reports all services as SERVING or NOT_SERVING."""
        states = health_pb2.HealthCheckResponse
        for service in self.services:
            await self.servicer.set(service, states.SERVING if serving else states.NOT_SERVING)


def check_token(expected: str, authorization: str | bytes | None) -> Unauthenticated | None:
    """Why a call's authorization metadata does not do; None if it does or none is asked for."""
    if not expected:
        return None
    given = authorization.decode() if isinstance(authorization, bytes) else authorization or ""
    if hmac.compare_digest(given.encode(), f"Bearer {expected}".encode()):
        return None
    return Unauthenticated("the token is missing or wrong; set UNDERPAINT_TOKEN_FILE")


def read_token(path: Path | None) -> str:
    """The token in a file, or none.

    Raises:
        InvalidRequest: the file cannot be read or is empty.
    """
    if path is None:
        return ""
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"the token file {path} cannot be read: {error}") from None
    if not token:
        raise InvalidRequest(f"the token file {path} is empty; write a long random word into it")
    return token


async def start_server(
    address: str,
    register: Callable[[grpc.aio.Server], None],
    services: Sequence[str],
    *,
    token: str = "",
    reflect: bool = False,
    readiness: Readiness | None = None,
    admit: Admit | None = None,
) -> tuple[grpc.aio.Server, int]:
    """Starts a server with health (and, if asked, reflection); returns it and its port.

    Args:
        address: host:port; port 0 takes a free one.
        register: adds the servicers.
        services: full names, reported as SERVING; or as NOT_SERVING, if a readiness is given.
        token: what every call must bring; empty asks for none.
        reflect: whether to list the services to whoever asks.
        readiness: sets the services to SERVING once they are.
        admit: says why a call's authorization does not do, in place of the one token.

    Raises:
        InvalidRequest: the address is taken or wrong.
    """
    server = grpc.aio.server(
        interceptors=[RimInterceptor(token, admit)],
        # Two servers on one port would share its calls silently.
        options=[("grpc.so_reuseport", 0)],
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
        port = server.add_insecure_port(address)
    except RuntimeError:
        raise InvalidRequest(
            f"cannot listen on {address}: the port is in use or the host is not this machine's; "
            "choose another"
        ) from None
    await server.start()
    return server, port


def open_channel(address: str) -> grpc.aio.Channel:
    """A channel to one of our services; close it when done."""
    return grpc.aio.insecure_channel(address, options=_CHANNEL_OPTIONS)


def call_options(method: str, token: str = "", timeout_s: float | None = None) -> dict[str, Any]:
    """Keyword arguments of one call: its deadline (never above the RPC's own) and the token.

    Args:
        method: such as "/underpaint.v1.EdgeService/GetDraft".
        token: sent as a bearer token if not empty.
        timeout_s: seconds; None takes the RPC's own.
    """
    cap = DEADLINES[method]
    options: dict[str, Any] = {"timeout": cap if timeout_s is None else min(timeout_s, cap)}
    if token:
        options["metadata"] = (("authorization", f"Bearer {token}"),)
    return options


@contextmanager
def translated(service: str) -> Iterator[None]:
    """Turns what grpc raises into domain errors; `service` says who was called and where."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise from_rpc(error, service) from None


def _remaining(context: grpc.aio.ServicerContext[Any, Any], cap: float) -> float:
    remaining = context.time_remaining()
    return cap if remaining is None else min(remaining, cap)


async def _within(answers: AsyncIterable[T], seconds: float) -> AsyncIterator[T]:
    """The same answers, each awaited only until the deadline."""
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
        # A generator left half-read holds what it opened until collected.
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()


async def _drain(requests: AsyncIterable[Any]) -> None:
    """Reads what the caller is still sending, up to a limit, before it is refused.

    A refusal that meets a grpc.aio client in the middle of its writing can reach it as a bare
    INTERNAL, with the reason lost.
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
    log.exception("unforeseen error in %s", method)
    return EngineFailed("an unforeseen error; the service's log has the details")
