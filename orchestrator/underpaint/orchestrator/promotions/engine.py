"""The engine interface that workers use, and the client that reaches cloud engines by gRPC."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from underpaint.contract import wire
from underpaint.contract.chunks import Assembly
from underpaint.contract.errors import EngineFailed, InvalidRequest, ServiceUnreachable
from underpaint.contract.generation import GenerationRequest, GenerationResult, Progress
from underpaint.contract.pictures import Digest
from underpaint.contract.rim import Connection, call_options
from underpaint.orchestrator.artifacts import MAX_BYTES
from underpaint.v1 import cloud_pb2, cloud_pb2_grpc

LIST_S: Final = 2.0  # short, because a quote waits for this answer
_LIST: Final = "/underpaint.v1.CloudService/ListEngines"
_GENERATE: Final = "/underpaint.v1.CloudService/Generate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Polish:
    """One picture to make from a draft."""

    promotion_id: str
    engine: str
    request: GenerationRequest
    init_image: bytes
    init_digest: Digest


class Engine(Protocol):
    """Makes pictures. Cancelling the coroutine stops the work."""

    async def generate(
        self, polish: Polish, tell: Callable[[Progress], Awaitable[None]], timeout_s: float
    ) -> GenerationResult:
        """Makes one picture and reports progress.

        Args:
            polish: what to make.
            tell: awaited with each step's progress.
            timeout_s: seconds until the whole answer must be there.

        Raises:
            EngineBusy, ServiceUnreachable: not possible now; nothing was made.
            InvalidRequest: the engine can never make this.
            EngineFailed, DeadlineExceeded: the engine failed or was too slow.
            ResultFlagged, ResultUnusable: the picture is not delivered.
        """


class CloudEngine:
    """The engines behind one CloudService."""

    def __init__(self, address: str, token: str = "", *, tls_dir: Path | None = None) -> None:
        """Connects at the first call. Raises InvalidRequest for a bad address or certificates."""
        self._token = token
        self._connection = Connection(
            f"the cloud at {address}", address, cloud_pb2_grpc.CloudServiceStub, tls_dir=tls_dir
        )

    async def close(self) -> None:
        """Closes the channel."""
        await self._connection.close()

    async def served(self) -> Collection[str]:
        """The names of the engines that this service offers.

        Raises:
            UnderpaintError: it is out of reach or too slow.
        """
        with self._connection.translated():
            answer = await self._connection.stub.ListEngines(
                cloud_pb2.ListEnginesRequest(), **call_options(_LIST, self._token, LIST_S)
            )
        return frozenset(each.name for each in answer.engines)

    async def generate(
        self, polish: Polish, tell: Callable[[Progress], Awaitable[None]], timeout_s: float
    ) -> GenerationResult:
        """Calls Generate and assembles the picture from its chunks.

        A connection that is lost after the engine began counts as EngineFailed, which is a
        bounded attempt: this very request may have crashed the engine.
        """
        request = cloud_pb2.GenerateRequest(
            promotion_id=polish.promotion_id,
            engine=polish.engine,
            request=wire.generation_to_wire(polish.request),
            init_image_digest=wire.digest_to_wire(polish.init_digest),
            init_image=polish.init_image,
        )
        result: cloud_pb2.GenerationResult | None = None
        assembly: Assembly | None = None
        begun = False
        try:
            with self._connection.translated():
                options = call_options(_GENERATE, self._token, timeout_s)
                call = self._connection.stub.Generate(request, **options)
                try:
                    async for answer in call:
                        begun = True
                        part = answer.WhichOneof("part")
                        if part == "progress":
                            await tell(wire.progress_from_wire(answer.progress))
                        elif part == "result":
                            result = answer.result
                            assembly = _assembly(result, polish.request)
                        elif part == "chunk" and assembly is not None:
                            _add(assembly, answer.chunk.data)
                finally:
                    call.cancel()  # otherwise the engine would keep working for nobody
        except ServiceUnreachable as error:
            if begun:
                raise EngineFailed(
                    f"the connection was lost while the engine worked: {error}"
                ) from None
            raise
        if result is None or assembly is None:
            raise EngineFailed(f"the engine {polish.engine} ended without a picture")
        return GenerationResult(
            picture=_whole(assembly),
            width=result.width,
            height=result.height,
            model=result.model,
            upscaler=result.upscaler,
            gpu_seconds=result.gpu_seconds,
            warnings=tuple(result.warnings),
        )


def _assembly(result: cloud_pb2.GenerationResult, request: GenerationRequest) -> Assembly:
    if (result.width, result.height) != (request.width, request.height):
        raise EngineFailed(
            f"the engine made {result.width} x {result.height} instead of "
            f"{request.width} x {request.height}"
        )
    try:
        return Assembly(wire.digest_from_wire(result.digest), MAX_BYTES)
    except InvalidRequest as error:
        raise EngineFailed(f"the engine's result cannot be used: {error}") from None


def _add(assembly: Assembly, data: bytes) -> None:
    try:
        assembly.add(data)
    except InvalidRequest:
        raise EngineFailed("the engine sent more bytes than it announced") from None


def _whole(assembly: Assembly) -> bytes:
    try:
        return assembly.bytes()
    except InvalidRequest:
        raise EngineFailed("the engine's picture arrived damaged or incomplete") from None
