"""An edge node around an engine that draws noise."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from underpaint.contract.chunks import CHUNK_BYTES, Assembly
from underpaint.contract.drafts import Draft
from underpaint.contract.errors import (
    EngineFailed,
    ResultWithheld,
)
from underpaint.contract.generation import GenerationRequest, GenerationResult
from underpaint.contract.pictures import MAX_BYTES
from underpaint.contract.rim import call_options, translated
from underpaint.contract.wire import Defaults, draft_from_wire
from underpaint.edge.servicer import SERVICE
from underpaint.edge.store import DraftStore
from underpaint.v1 import common_pb2, edge_pb2, edge_pb2_grpc


class NoiseEngine:
    """Draws noise of the seed, big enough for several chunks at 512 pixels."""

    name = "noise"
    defaults = Defaults(width=64, height=64, num_inference_steps=2, guidance_scale=1.5)
    loras = ()

    def __init__(self) -> None:
        self.drawn: list[GenerationRequest] = []
        self.begun: asyncio.Queue[GenerationRequest] = asyncio.Queue()
        self.stopped = asyncio.Event()
        self.endless = False
        self.broken = False
        self.withheld: dict[int, ResultWithheld] = {}  # by seed
        self.multiple = 8
        self._loop = asyncio.get_running_loop()

    def warnings(self, prompt: str) -> tuple[str, ...]:
        return ("unknown",) if "odd" in prompt else ()

    def generate(
        self, request: GenerationRequest, on_step: Callable[[int, int], None] | None = None
    ) -> GenerationResult:
        self.drawn.append(request)
        self._loop.call_soon_threadsafe(self.begun.put_nowait, request)
        if self.broken:
            raise EngineFailed("broke")
        if request.seed in self.withheld:
            raise self.withheld[request.seed]
        try:
            while True:
                if on_step:
                    on_step(1, 2)
                if not self.endless:
                    break
        except BaseException:
            self._loop.call_soon_threadsafe(self.stopped.set)
            raise
        size = (request.width, request.height)
        width, height = (side // self.multiple * self.multiple for side in size)
        noise = Image.effect_noise((width, height), 99)
        out = io.BytesIO()
        Image.merge("RGB", (noise,) * 3).save(out, "PNG")
        return GenerationResult(
            picture=out.getvalue(),
            width=width,
            height=height,
            model=self.name,
            gpu_seconds=0.25,
            warnings=("not all was read",) if "long" in request.prompt else (),
        )


@dataclass
class Node:
    engine: NoiseEngine
    stub: edge_pb2_grpc.EdgeServiceAsyncStub
    store: DraftStore
    order: list[str] = field(default_factory=list)
    withheld: list[tuple[int, str]] = field(default_factory=list)

    async def make(
        self, count: int = 1, privacy: Any = common_pb2.PRIVACY_FULL, **request: Any
    ) -> list[tuple[Draft, bytes]]:
        message = edge_pb2.MakeDraftsRequest(
            request=common_pb2.GenerationRequest(**{"prompt": "a cat", **request}),
            count=count,
            privacy=privacy,
        )
        with translated("edge"):
            return await self._collect(self.stub.MakeDrafts(message, **options("MakeDrafts")))

    async def get(self, id_: str) -> tuple[Draft, bytes]:
        message = edge_pb2.GetDraftRequest(id=id_)
        with translated("edge"):
            return (await self._collect(self.stub.GetDraft(message, **options("GetDraft"))))[0]

    async def _collect(self, answers: Any) -> list[tuple[Draft, bytes]]:
        drafts: list[tuple[Draft, Assembly]] = []
        async for answer in answers:
            part = answer.WhichOneof("part")
            self.order.append(part)
            if part == "draft":
                draft = draft_from_wire(answer.draft)
                drafts.append((draft, Assembly(draft.digest, MAX_BYTES)))
            elif part == "withheld":
                self.withheld.append((answer.withheld.seed, answer.withheld.reason))
            else:
                assert len(answer.chunk.data) <= CHUNK_BYTES
                drafts[-1][1].add(answer.chunk.data)
        return [(draft, assembly.bytes()) for draft, assembly in drafts]


def options(method: str) -> dict[str, Any]:
    return call_options(f"/{SERVICE}/{method}")
