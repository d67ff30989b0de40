from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from underpaint.contract.drafts import Draft
from underpaint.contract.errors import (
    DraftNotFound,
    EngineBusy,
    EngineFailed,
    InvalidRequest,
    ResultUnusable,
)
from underpaint.contract.generation import MAX_SEED
from underpaint.contract.rim import open_channel, start_server, translated
from underpaint.contract.wire import draft_from_wire
from underpaint.edge.draft_queue import DraftQueue
from underpaint.edge.engine import LiteEngine
from underpaint.edge.outbox_sender import OutboxSender
from underpaint.edge.servicer import SERVICE, EdgeServicer
from underpaint.edge.store import DraftStore
from underpaint.engines.options import Options
from underpaint.engines.placement import Placement
from underpaint.v1 import common_pb2, edge_pb2, edge_pb2_grpc

from tests.integration.edge.noise import Node, NoiseEngine, options


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
    engine = LiteEngine(
        str(sd), options=Options(placement=Placement(device="cpu", dtype="float32")), threads=1
    )
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
        with pytest.raises(ResultUnusable, match="the model tiny computed NaN or infinite numbers"):
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
