from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from underpaint.contract.chunks import CHUNK_BYTES, Assembly
from underpaint.contract.drafts import Draft
from underpaint.contract.errors import DraftNotFound, EngineBusy, EngineFailed, InvalidRequest
from underpaint.contract.generation import MAX_SEED, GenerationRequest, GenerationResult
from underpaint.contract.pictures import MAX_BYTES
from underpaint.contract.rim import call_options, open_channel, start_server, translated
from underpaint.contract.wire import Defaults, draft_from_wire
from underpaint.edge.draft_queue import DraftQueue
from underpaint.edge.engine import LiteEngine
from underpaint.edge.outbox_sender import OutboxSender
from underpaint.edge.servicer import SERVICE, EdgeServicer
from underpaint.edge.store import DraftStore
from underpaint.engines.placement import Placement
from underpaint.v1 import common_pb2, edge_pb2, edge_pb2_grpc


class NoiseEngine:
    """Draws noise of the seed, big enough for several chunks at 512 pixels."""

    name = "noise"
    defaults = Defaults(width=64, height=64, num_inference_steps=2, guidance_scale=1.5)

    def __init__(self) -> None:
        self.drawn: list[GenerationRequest] = []
        self.begun: asyncio.Queue[GenerationRequest] = asyncio.Queue()
        self.stopped = asyncio.Event()
        self.endless = False
        self.broken = False
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
        try:
            while True:
                if on_step:
                    on_step(1, 2)
                if not self.endless:
                    break
        except BaseException:
            self._loop.call_soon_threadsafe(self.stopped.set)
            raise
        noise = Image.effect_noise((request.width, request.height), 99)
        out = io.BytesIO()
        Image.merge("RGB", (noise,) * 3).save(out, "PNG")
        return GenerationResult(
            picture=out.getvalue(),
            width=request.width,
            height=request.height,
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
            else:
                assert len(answer.chunk.data) <= CHUNK_BYTES
                drafts[-1][1].add(answer.chunk.data)
        return [(draft, assembly.bytes()) for draft, assembly in drafts]


def options(method: str) -> dict[str, Any]:
    return call_options(f"/{SERVICE}/{method}")


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    engine = NoiseEngine()
    store = DraftStore(tmp_path, draft_limit=70, bytes_limit=2**30)
    queue = DraftQueue(lambda: engine)
    await queue.open()
    server, port = await start_server(
        "127.0.0.1:0",
        lambda s: edge_pb2_grpc.add_EdgeServiceServicer_to_server(
            EdgeServicer(queue, store, OutboxSender(store, None, 60)), s
        ),
        [SERVICE],
    )
    async with open_channel(f"127.0.0.1:{port}") as channel:
        yield Node(engine, edge_pb2_grpc.EdgeServiceStub(channel), store)
    engine.endless = False
    queue.close()
    await server.stop(None)
    store.close()


async def test_each_draft_has_the_next_seed_and_zeros_take_the_models_own(node: Node) -> None:
    drafts = [draft for draft, _ in await node.make(count=3, seed=7)]
    assert [draft.request.seed for draft in drafts] == [7, 8, 9]
    request = drafts[0].request
    assert (request.width, request.height) == (64, 64)
    assert (request.num_inference_steps, request.guidance_scale) == (2, 1.5)
    assert (drafts[0].model, drafts[0].elapsed_ms) == ("noise", 250)
    assert len({draft.id for draft in drafts}) == 3


async def test_what_is_asked_beats_the_models_own(node: Node) -> None:
    ((draft, _),) = await node.make(
        width=128, height=72, num_inference_steps=5, guidance_scale=3.0, negative_prompt="dog"
    )
    assert draft.request == node.engine.drawn[0]
    assert draft.request.width == 128
    assert draft.request.negative_prompt == "dog"


async def test_a_draft_goes_out_with_its_chunks_before_the_next(node: Node) -> None:
    drafts = await node.make(count=2, width=1024, height=512)
    one = node.order[: len(node.order) // 2]
    assert one == ["draft"] + ["chunk"] * (len(one) - 1)
    assert len(one) > 2
    assert node.order == one * 2
    for draft, picture in drafts:
        assert await node.get(draft.id) == (draft, picture)


async def test_a_prompt_without_known_words_is_drawn_with_a_warning(node: Node) -> None:
    ((draft, _),) = await node.make(prompt="something odd")
    assert draft.warnings == ("unknown",)
    assert (await node.get(draft.id))[0].warnings == ("unknown",)


async def test_what_the_engine_says_of_a_draft_is_kept_with_it(node: Node) -> None:
    ((draft, _),) = await node.make(prompt="a long and odd one")
    assert draft.warnings == ("unknown", "not all was read")
    assert (await node.get(draft.id))[0].warnings == draft.warnings


async def test_a_prompt_is_kept_as_it_was_typed(node: Node) -> None:
    typed = "a c\u200bat  \u212b"
    ((draft, _),) = await node.make(prompt=typed)
    assert (await node.get(draft.id))[0].request.prompt == typed


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"count": 0}, "count 0"),
        ({"count": 65}, "count 65"),
        ({"prompt": " "}, "prompt is empty"),
        ({"prompt": "\u200b"}, "prompt is empty"),
        ({"prompt": "x" * 1_001}, "1001 characters"),
        ({"width": 100}, "width 100"),
        ({"height": 4_096}, "height 4096"),
        ({"num_inference_steps": 1_000}, "num_inference_steps 1000"),
        ({"guidance_scale": float("nan")}, "guidance_scale nan"),
        ({"strength": 0.5}, "strength"),
        ({"seed": -1}, "seed -1"),
        ({"seed": MAX_SEED, "count": 2}, "seed"),
        ({"privacy": common_pb2.PRIVACY_UNSPECIFIED}, "privacy"),
    ],
)
async def test_what_cannot_be_drawn_is_refused_and_nothing_is_kept(
    node: Node, asked: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidRequest, match=named):
        await node.make(**asked)
    assert node.engine.drawn == []
    assert len(node.store) == 0


async def test_sixty_four_are_made_and_more_than_may_wait_are_not(node: Node) -> None:
    assert len(await node.make(count=64)) == 64
    node.engine.begun = asyncio.Queue()
    node.engine.endless = True
    first = asyncio.create_task(node.make(count=63))
    await node.engine.begun.get()
    with pytest.raises(EngineBusy, match="are waiting"):
        await node.make(count=2)
    first.cancel()
    await node.engine.stopped.wait()


async def test_a_caller_who_goes_away_stops_the_engine(node: Node) -> None:
    node.engine.endless = True
    leaving = asyncio.create_task(node.make(count=5))
    await node.engine.begun.get()
    leaving.cancel()
    await node.engine.stopped.wait()
    node.engine.endless = False
    assert len(await node.make()) == 1
    assert len(node.engine.drawn) == 2


async def test_a_draft_that_is_no_picture_is_an_error_and_not_a_black_picture(
    tmp_path: Path, sd: Path
) -> None:
    engine = LiteEngine(str(sd), placement=Placement(device="cpu", dtype="float32"), threads=1)
    next(engine._model.pipeline.vae.decoder.parameters()).data.fill_(float("nan"))
    store = DraftStore(tmp_path, draft_limit=70, bytes_limit=2**30)
    queue = DraftQueue(lambda: engine)
    await queue.open()
    servicer = EdgeServicer(queue, store, OutboxSender(store, None, 60))
    server, port = await start_server(
        "127.0.0.1:0",
        lambda s: edge_pb2_grpc.add_EdgeServiceServicer_to_server(servicer, s),
        [SERVICE],
    )
    async with open_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(EngineFailed, match="the model tiny computed NaN or infinite numbers"):
            await Node(NoiseEngine(), edge_pb2_grpc.EdgeServiceStub(channel), store).make()
    assert len(store) == 0
    assert [path for path in (tmp_path / "pictures").rglob("*") if path.is_file()] == []
    await server.stop(None)
    queue.close()
    store.close()


async def test_a_slow_disk_holds_up_nobody_else(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a draft is written, others are answered."""
    writing, go_on, add = threading.Event(), threading.Event(), node.store.add

    def slowly(draft: Draft, picture: bytes) -> None:
        writing.set()
        assert go_on.wait(60)
        add(draft, picture)

    monkeypatch.setattr(node.store, "add", slowly)
    making = asyncio.create_task(node.make())
    assert await asyncio.to_thread(writing.wait, 60)
    answer = await node.stub.GetNode(edge_pb2.GetNodeRequest(), **options("GetNode"))
    assert answer.drafts == 0
    go_on.set()
    assert len(await making) == 1


async def test_a_broken_engine_is_told_and_the_node_goes_on(node: Node) -> None:
    node.engine.broken = True
    with pytest.raises(EngineFailed, match="broke"):
        await node.make()
    node.engine.broken = False
    assert len(await node.make()) == 1


async def test_drafts_are_listed_newest_first_and_deleted(node: Node) -> None:
    made = [draft for draft, _ in await node.make(count=5)]
    with translated("edge"):
        page = await node.stub.ListDrafts(
            edge_pb2.ListDraftsRequest(page_size=3), **options("ListDrafts")
        )
        rest = await node.stub.ListDrafts(
            edge_pb2.ListDraftsRequest(page_token=page.next_page_token), **options("ListDrafts")
        )
        await node.stub.DeleteDraft(
            edge_pb2.DeleteDraftRequest(id=made[0].id[:8]), **options("DeleteDraft")
        )
    assert [draft_from_wire(d) for d in (*page.drafts, *rest.drafts)] == made[::-1]
    assert rest.next_page_token == ""
    with pytest.raises(DraftNotFound, match=made[0].id):
        await node.get(made[0].id)
    with pytest.raises(InvalidRequest, match="page_size"), translated("edge"):
        await node.stub.ListDrafts(
            edge_pb2.ListDraftsRequest(page_size=1_001), **options("ListDrafts")
        )


async def test_a_node_tells_its_model_and_how_full_it_is(node: Node) -> None:
    await node.make(count=2)
    with translated("edge"):
        answer = await node.stub.GetNode(edge_pb2.GetNodeRequest(), **options("GetNode"))
    assert (answer.model, answer.width, answer.drafts, answer.draft_limit) == ("noise", 64, 2, 70)


async def test_a_node_that_still_loads_is_busy(tmp_path: Path) -> None:
    store = DraftStore(tmp_path, draft_limit=1, bytes_limit=2**20)
    queue = DraftQueue(NoiseEngine)
    server, port = await start_server(
        "127.0.0.1:0",
        lambda s: edge_pb2_grpc.add_EdgeServiceServicer_to_server(
            EdgeServicer(queue, store, OutboxSender(store, None, 60)), s
        ),
        [SERVICE],
    )
    async with open_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(EngineBusy, match="loading"):
            await Node(NoiseEngine(), edge_pb2_grpc.EdgeServiceStub(channel), store).make()
    await server.stop(None)
    queue.close()
    store.close()
