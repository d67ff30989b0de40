"""The connection to one service: its stub, and how each call is made."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import grpc
from underpaint.contract.chunks import Assembly
from underpaint.contract.errors import EngineFailed, InvalidRequest, ServiceUnreachable
from underpaint.contract.pictures import Digest
from underpaint.contract.rim import Connection, call_options

StubT = TypeVar("StubT")
AnswerT = TypeVar("AnswerT")


class Peer(Generic[StubT]):
    """One service. It connects at the first call, in the event loop of that call."""

    def __init__(
        self,
        service: str,
        address: str,
        stub: Callable[[grpc.aio.Channel], StubT],
        *,
        token: str = "",
        timeout_s: float | None = None,
        tls_dir: Path | None = None,
    ) -> None:
        """Sets the address; `service` is a full name such as "underpaint.v1.EdgeService".

        Raises:
            InvalidRequest: the address is not valid, or the certificates cannot be used.
        """
        self.address = address
        self._service = service
        self._token = token
        self._timeout_s = timeout_s
        self._connection = (
            Connection(self.label, address, stub, tls_dir=tls_dir) if address else None
        )

    @property
    def label(self) -> str:
        """The service and its address, for messages."""
        tier = self._service.rpartition(".")[2].removesuffix("Service").lower()
        return f"the {tier} at {self.address}" if self.address else f"the {tier}"

    @property
    def stub(self) -> StubT:
        """The stub, on an open channel."""
        return self._reached.stub

    @contextmanager
    def call(self, rpc: str) -> Iterator[dict[str, Any]]:
        """Gives the keyword arguments of one call, and translates its errors to domain errors."""
        with self._reached.translated():
            yield call_options(f"/{self._service}/{rpc}", self._token, self._timeout_s)

    def arrival(self, digest: Digest, limit: int) -> Arrival:
        """Starts to assemble a picture from this service."""
        return Arrival(digest, limit, self.label)

    async def close(self) -> None:
        """Closes the connection and ends calls that still run."""
        if self._connection is not None:
            await self._connection.close()

    @property
    def _reached(self) -> Connection[StubT]:
        if self._connection is None:
            raise ServiceUnreachable(f"the address of {self.label} is not set; set it first")
        return self._connection


class Arrival:
    """Assembles a picture that is received; damage counts as a failure of its sender."""

    def __init__(self, digest: Digest, limit: int, sender: str) -> None:
        self._sender = sender
        with self._blamed():
            self._assembly = Assembly(digest, limit)

    @property
    def complete(self) -> bool:
        """Whether all announced bytes have arrived."""
        return self._assembly.complete

    def add(self, chunk: bytes) -> None:
        """Adds a chunk. Raises EngineFailed if more bytes come than were announced."""
        with self._blamed():
            self._assembly.add(chunk)

    def bytes(self) -> bytes:
        """The whole picture. Raises EngineFailed if it is incomplete or damaged."""
        with self._blamed():
            return self._assembly.bytes()

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        try:
            yield
        except InvalidRequest as error:
            raise EngineFailed(
                f"{self._sender} sent a damaged picture ({error}); fetch it again"
            ) from None


async def answers(call: grpc.aio.UnaryStreamCall[Any, AnswerT]) -> AsyncGenerator[AnswerT, None]:
    """The answers of a call. If the reader stops early, the call is cancelled."""
    try:
        async for answer in call:
            yield answer
    finally:
        call.cancel()
