"""A cloud engine that ships nowhere: a real process that does what its folder says.

`python -m tests.faults.stub_engine --folder DIR --listen HOST:PORT`. It draws a picture from
the init image, step by step, and writes each generation down, so that a test can count them
whatever was killed meanwhile. Its n-th generation measures n GPU-seconds: a charge tells
which one was paid for.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import ImageOps
from underpaint.contract import wire
from underpaint.contract.chunks import split
from underpaint.contract.errors import EngineBusy, EngineFailed
from underpaint.contract.generation import Progress
from underpaint.contract.pictures import Digest, decode, encode_png
from underpaint.contract.rim import start_server
from underpaint.v1 import cloud_pb2, cloud_pb2_grpc, common_pb2

LOOK_S = 0.01


@dataclass(frozen=True)
class Orders:
    """What a test tells an engine and learns of it, through files in a folder."""

    folder: Path

    @property
    def hold(self) -> Path:
        """While it is there, every generation waits after its first step."""
        return self.folder / "hold"

    @property
    def fault(self) -> Path:
        """`out of memory` or `busy`: what happens after the first step."""
        return self.folder / "fault"

    @property
    def step_s(self) -> Path:
        """Seconds that a step takes."""
        return self.folder / "step_s"

    @property
    def preview_bytes(self) -> Path:
        """How large a preview comes with each step."""
        return self.folder / "preview_bytes"

    @property
    def gpu_seconds(self) -> Path:
        """What each generation measures, if not its number."""
        return self.folder / "gpu_seconds"

    @property
    def diary(self) -> Path:
        return self.folder / "diary"

    def wrote(self, what: str, promotion_id: str = "") -> int:
        """How often a generation `began`, was `made` or `dropped`."""
        lines = self.diary.read_text().splitlines() if self.diary.exists() else []
        return sum(line.startswith(f"{what} {promotion_id}") for line in lines)

    def write(self, what: str, promotion_id: str) -> None:
        with self.diary.open("a") as diary:
            diary.write(f"{what} {promotion_id.rpartition('/')[2]}\n")

    def text(self, path: Path) -> str:
        return path.read_text().strip() if path.exists() else ""


class StubEngine(cloud_pb2_grpc.CloudServiceServicer):
    def __init__(self, orders: Orders) -> None:
        self._orders = orders

    async def Generate(  # noqa: N802
        self, request: cloud_pb2.GenerateRequest, context: Any
    ) -> AsyncIterator[cloud_pb2.GenerateResponse]:
        orders, asked = self._orders, request.request
        orders.write("began", request.promotion_id)
        if request.mask:
            orders.write("masked", request.promotion_id)
        number = orders.wrote("began")
        preview = b"\xff\xd8\xff" + os.urandom(int(orders.text(orders.preview_bytes) or 0))
        try:
            for step in range(1, asked.num_inference_steps + 1):
                await asyncio.sleep(float(orders.text(orders.step_s) or 0))
                shown = Progress(
                    step=step,
                    steps=asked.num_inference_steps,
                    stage="denoising",
                    preview=preview if len(preview) > 3 else b"",
                )
                yield cloud_pb2.GenerateResponse(progress=wire.progress_to_wire(shown))
                while orders.hold.exists():  # noqa: ASYNC110 -- written by another process
                    await asyncio.sleep(LOOK_S)
                self._suffer(orders.text(orders.fault))
        except asyncio.CancelledError:
            orders.write("dropped", request.promotion_id)
            raise
        size = (asked.width, asked.height)
        drawn = ImageOps.solarize(decode(request.init_image).resize(size), number % 256)
        picture = encode_png(drawn)
        orders.write("made", request.promotion_id)
        yield cloud_pb2.GenerateResponse(
            result=cloud_pb2.GenerationResult(
                digest=wire.digest_to_wire(Digest.of(picture)),
                width=asked.width,
                height=asked.height,
                model="stub",
                upscaler="none",
                gpu_seconds=float(orders.text(orders.gpu_seconds) or number),
            )
        )
        for data in split(picture):
            yield cloud_pb2.GenerateResponse(chunk=common_pb2.Chunk(data=data))

    async def ListEngines(  # noqa: N802
        self, request: cloud_pb2.ListEnginesRequest, context: Any
    ) -> cloud_pb2.ListEnginesResponse:
        return cloud_pb2.ListEnginesResponse(engines=[cloud_pb2.EngineDescription(name="full")])

    def _suffer(self, fault: str) -> None:
        if fault == "busy":
            raise EngineBusy("every replica is busy")
        if fault:
            raise EngineFailed(f"the engine failed: {fault}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--listen", default="127.0.0.1:0")
    given = parser.parse_args()
    engine = StubEngine(Orders(given.folder))
    _, port = await start_server(
        given.listen,
        lambda server: cloud_pb2_grpc.add_CloudServiceServicer_to_server(engine, server),
        ["underpaint.v1.CloudService"],
    )
    print(f"stub engine listening on 127.0.0.1:{port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
