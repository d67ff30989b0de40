"""Makes Redis clients and translates their errors; no other module does either."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import hiredis
from redis import exceptions
from redis._parsers.base import BaseParser
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from underpaint.contract.errors import InvalidRequest, LedgerUnavailable

ANSWER_S: Final = 8.0  # longer than a short stall, shorter than any RPC's deadline
# Redis executes one command at a time, so more connections would only wait at the server
# instead of here; and a unix socket refuses connections when its backlog is full.
CONNECTIONS: Final = 24
_NOT_YET: Final = object()


class Script:
    """A Lua script and its SHA-1, by which Redis finds it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha1 = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Pipelined(Redis):
    """A client that pipelines all commands over one connection.

    Commands sent at the same time go out in one write and share one fsync in the server. This
    bounds the throughput, because the ledger acknowledges nothing before it is durable.
    Subscriptions and the pipelines of redis-py use connections of their own.
    """

    # Checks the server on each new connection; raises an error of redis-py to refuse it.
    greet: Callable[[Callable[[tuple[Any, ...]], Awaitable[Any]]], Awaitable[None]] | None = None
    _wire: _Wire | None = None
    _connecting: asyncio.Task[_Wire] | None = None

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Sends one command and returns its answer."""
        answer = await self.ask(args)
        options.pop("keys", None)
        callback = self.response_callbacks.get(args[0])
        return callback(answer, **options) if callback else answer

    async def run(self, script: Script, *arguments: str | bytes | int) -> Any:
        """Runs a script; sends its text if the server does not know it yet."""
        try:
            return await self.ask(("EVALSHA", script.sha1, 1, *arguments))
        except exceptions.NoScriptError:
            return await self.ask(("EVAL", script.text, 1, *arguments))

    async def ask(self, command: tuple[Any, ...]) -> Any:
        """The raw answer to a command, without redis-py's conversions."""
        wire = self._wire if self._wire and self._wire.open else await self._connected()
        return await wire.ask(command)

    def drop(self, why: str) -> None:
        """Closes the connection; the next command connects again and resolves the name anew."""
        if self._wire:
            self._wire.end(exceptions.ConnectionError(why))

    async def aclose(self, *args: Any, **options: Any) -> None:
        """Closes every connection."""
        if self._connecting:
            self._connecting.cancel()
        if self._wire:
            self._wire.end(exceptions.ConnectionError("closed"))
        await super().aclose(*args, **options)

    async def _connected(self) -> _Wire:
        # One attempt serves everybody who waits; cancelling one of them does not stop it.
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect(), name="connect to Redis")
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> _Wire:
        try:
            # redis-py handles every kind of URL, TLS and the handshake; then _Wire takes over.
            pool: Any = self.connection_pool
            connection = pool.make_connection()
            await connection.connect()
            wire = _Wire(connection._writer.transport)
            # Keep the writer: when it is garbage-collected, it closes the transport.
            wire.kept, connection._writer, connection._reader = connection._writer, None, None
            if self.greet:
                try:
                    await self.greet(wire.ask)
                except BaseException:
                    wire.end(exceptions.ConnectionError("the server cannot be used"))
                    raise
            self._wire = wire
            return wire
        finally:
            self._connecting = None


class _Wire(asyncio.Protocol):
    """One connection. Answers come in the order of the requests; a late one ends the connection."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._answers = hiredis.Reader(
            protocolError=exceptions.InvalidResponse,
            replyError=BaseParser.parse_error,
            notEnoughData=_NOT_YET,
        )
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._unsent: list[bytes] = []
        self._watch: asyncio.TimerHandle | None = None
        self.open = True
        self.kept: Any = None
        transport.set_protocol(self)

    def ask(self, command: tuple[Any, ...]) -> asyncio.Future[Any]:
        """A future of the answer; it may be cancelled."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        packed = hiredis.pack_command(command)
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.append(packed)
        now = self._loop.time()
        self._waiting.append((now, answer))
        if self._watch is None:
            self._watch = self._loop.call_at(now + ANSWER_S, self._look)
        return answer

    def end(self, error: Exception) -> None:
        """Closes at once; everybody who waits gets the error."""
        self.open = False
        self._transport.abort()
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        while self._waiting:
            _, answer = self._waiting.popleft()
            if not answer.done():
                answer.set_exception(error)

    def data_received(self, data: bytes) -> None:
        """Passes on every complete answer."""
        self._answers.feed(data)
        try:
            while (told := self._answers.gets()) is not _NOT_YET:
                _, answer = self._waiting.popleft()
                if isinstance(told, exceptions.ReadOnlyError):
                    # After a failover this connection still leads to the old server. Close it, so
                    # that the next one resolves the name again.
                    _set(answer, told)
                    return self.end(exceptions.ConnectionError(f"it is a replica now: {told}"))
                _set(answer, told)
        except (exceptions.InvalidResponse, IndexError) as error:
            self.end(exceptions.ConnectionError(f"the answer is not valid: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        """Fails every request that has no answer yet."""
        self.end(exceptions.ConnectionError(str(error or "the connection was closed")))

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self.open:
            self._transport.write(b"".join(unsent))

    def _look(self) -> None:
        """Closes the connection if its oldest request has waited too long."""
        self._watch = None
        if not self._waiting:
            return
        due = self._waiting[0][0] + ANSWER_S
        if due <= self._loop.time():
            self.end(exceptions.TimeoutError("no answer in time"))
        else:
            self._watch = self._loop.call_at(due, self._look)


def _set(answer: asyncio.Future[Any], told: Any) -> None:
    """Passes on one answer, unless its future was cancelled."""
    if answer.done():
        return
    if isinstance(told, Exception):
        answer.set_exception(told)
    else:
        answer.set_result(told)


def connect(url: str, *, blocking: bool = False) -> Pipelined:
    """Makes a client with binary answers that never repeats a command by itself.

    redis-py by default repeats a command after a timeout. An increment would then count twice if
    only its answer was late.

    Args:
        url: redis://, rediss:// or unix://.
        blocking: whether to wait for answers without a timeout, as subscriptions need.

    Raises:
        InvalidRequest: the URL is malformed.
    """
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=ANSWER_S,
            decode_responses=False,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=3.0,
            socket_timeout=None if blocking else ANSWER_S,
            health_check_interval=0,
        )
        client = Pipelined(connection_pool=pool)
        client.auto_close_connection_pool = True
        return client
    except ValueError as error:
        raise InvalidRequest(
            f"{url!r} is not a Redis URL ({error}); write redis://HOST:PORT/0 or unix:///PATH"
        ) from None


@contextmanager
def translated() -> Iterator[None]:
    """Turns Redis errors into LedgerUnavailable.

    Errors inside scripts pass through: they are bugs, not trouble with the connection.
    """
    try:
        yield
    except (
        exceptions.ConnectionError,
        exceptions.TimeoutError,
        exceptions.ReadOnlyError,
        exceptions.NoPermissionError,
        exceptions.OutOfMemoryError,
        exceptions.ClusterDownError,
        OSError,
    ) as error:
        raise LedgerUnavailable(_line(error)) from None
    except exceptions.ResponseError as error:
        # MISCONF: the disk is full, so that nothing can be made durable.
        if str(error).startswith(("MISCONF", "LOADING", "MASTERDOWN", "NOREPLICAS", "OOM")):
            raise LedgerUnavailable(_line(error)) from None
        raise


def _line(error: Exception) -> str:
    cause = " ".join(str(error).split()) or type(error).__name__
    return f"the ledger's Redis is out of reach ({cause}); try again when it is back"
