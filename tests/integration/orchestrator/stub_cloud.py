"""A CloudService that does what a test tells it to, over real gRPC."""

from __future__ import annotations

import asyncio
import functools
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
from PIL import Image
from underpaint.contract import wire
from underpaint.contract.chunks import split
from underpaint.contract.errors import UnderpaintError
from underpaint.contract.generation import Progress
from underpaint.contract.inputs import MAX_INPUTS_BYTES
from underpaint.contract.pictures import Digest, encode_png
from underpaint.contract.rim import MESSAGE_BYTES, start_server
from underpaint.v1 import cloud_pb2, cloud_pb2_grpc, common_pb2

PREVIEW = b"\xff\xd8\xff preview"


class StubCloud(cloud_pb2_grpc.CloudServiceServicer):
    """Each call takes the next step of `script`; without one it succeeds."""

    def __init__(self, tls_dir: Path | None = None) -> None:
        self.tls_dir = tls_dir
        self.served = ["full"]
        self.told: dict[str, Any] = {}  # what its engines say of themselves
        self.script: list[UnderpaintError | str] = []
        self.calls: list[cloud_pb2.GenerateRequest] = []
        self.gpu_seconds = 2.5
        self.warnings: tuple[str, ...] = ()
        self.started = asyncio.Event()
        self.stopped = asyncio.Event()
        self.go_on = asyncio.Event()
        self.address = ""
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        self._server, port = await start_server(
            self.address or "127.0.0.1:0",
            lambda server: cloud_pb2_grpc.add_CloudServiceServicer_to_server(self, server),
            ["underpaint.v1.CloudService"],
            tls_dir=self.tls_dir,
            message_bytes=MESSAGE_BYTES + MAX_INPUTS_BYTES,
        )
        self.address = f"127.0.0.1:{port}"

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(0)

    async def Generate(  # noqa: N802
        self, request: cloud_pb2.GenerateRequest, context: Any
    ) -> AsyncIterator[cloud_pb2.GenerateResponse]:
        self.calls.append(request)
        self.started.set()
        step = self.script.pop(0) if self.script else "draw"
        if isinstance(step, UnderpaintError):
            raise step
        size = (request.request.width, request.request.height)
        for done in range(1, 5):
            shown = PREVIEW if done in (1, 3) else b""
            progress = Progress(step=done, steps=4, stage="denoising", preview=shown)
            yield cloud_pb2.GenerateResponse(progress=wire.progress_to_wire(progress))
            if step == "hang":
                try:
                    await self.go_on.wait()
                except asyncio.CancelledError:
                    self.stopped.set()
                    raise
            await asyncio.sleep(0.06)
        if step == "nothing":
            return
        picture = noise(size)
        digest = Digest.of(picture)
        if step == "small":
            size = (8, 8)
        if step == "damaged":
            picture = picture[:-1] + b"!"
        yield cloud_pb2.GenerateResponse(
            result=cloud_pb2.GenerationResult(
                digest=wire.digest_to_wire(digest),
                width=size[0],
                height=size[1],
                model="stub-model",
                upscaler="stub-upscaler",
                gpu_seconds=float("nan") if step == "timeless" else self.gpu_seconds,
                warnings=self.warnings,
            )
        )
        for data in split(picture):
            yield cloud_pb2.GenerateResponse(chunk=common_pb2.Chunk(data=data))

    async def ListEngines(  # noqa: N802
        self, request: cloud_pb2.ListEnginesRequest, context: Any
    ) -> cloud_pb2.ListEnginesResponse:
        engines = [cloud_pb2.EngineDescription(name=name, **self.told) for name in self.served]
        return cloud_pb2.ListEnginesResponse(engines=engines)


@functools.cache
def noise(size: tuple[int, int]) -> bytes:
    """A picture of several chunks; made once, for encoding holds up the whole loop."""
    return encode_png(Image.effect_noise(size, 4))


def picture_of(width: int, height: int, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "orange").save(out, kind)
    return out.getvalue()
