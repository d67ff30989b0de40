"""The outbox of a node and the orchestrator it is sent to, over real gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from underpaint.contract.drafts import Draft, InitImage, Privacy
from underpaint.contract.errors import (
    BudgetExceeded,
    DraftNotFound,
    InvalidRequest,
    PolicyRefused,
    PrivacyViolation,
    PromotionConflict,
    PromotionNotFound,
    ServiceUnreachable,
    UnderpaintError,
)
from underpaint.contract.outbox import AT_ANY_PRICE, OutboxItem, OutboxState
from underpaint.contract.pictures import Digest
from underpaint.contract.rim import start_server
from underpaint.edge.draft_queue import DraftQueue
from underpaint.edge.orchestrator import Orchestrator
from underpaint.edge.outbox_sender import OutboxSender
from underpaint.edge.servicer import SERVICE, EdgeServicer
from underpaint.edge.store import DraftStore
from underpaint.local import authority
from underpaint.sdk.client import AsyncUnderpaint
from underpaint.sdk.requests import PolishRequest
from underpaint.v1 import edge_pb2_grpc, orchestrator_pb2_grpc

from tests.integration.orchestrator.conftest import free_port
from tests.integration.sdk.script import picture
from tests.integration.sdk.stub_orchestrator import StubOrchestrator
from tests.unit.edge.test_store import make_draft

POLISH = PolishRequest(strength=0.6)
PRICE = 12_500
PATIENCE_S = 60


def own_draft(id_: str = "aaaaaaaaaaaa", privacy: Privacy = Privacy.FULL) -> Draft:
    return replace(make_draft(picture(1), id_=id_), privacy=privacy, digest=Digest.of(picture(1)))


async def serve(
    stub: StubOrchestrator, address: str, tls_dir: Path | None = None
) -> grpc.aio.Server:
    server, _ = await start_server(
        address,
        lambda s: orchestrator_pb2_grpc.add_OrchestratorServiceServicer_to_server(stub, s),
        ["underpaint.v1.OrchestratorService"],
        tls_dir=tls_dir,
    )
    return server


@dataclass
class Node:
    store: DraftStore
    sender: OutboxSender
    client: AsyncUnderpaint

    async def keep(self, promotion_id: str = "promotion-1", accepted: int = PRICE) -> OutboxItem:
        init_image = InitImage(draft=own_draft(), picture=picture(1))
        return await self.client.keep_promotion(
            init_image, POLISH, promotion_id=promotion_id, accepted_usd_micros=accepted
        )

    async def one(self) -> OutboxItem:
        (item,) = await self.client.outbox()
        return item


@asynccontextmanager
async def running(
    folder: Path, orchestrator: str, tls_dir: Path | None = None
) -> AsyncIterator[Node]:
    """A node with one draft; its sender runs only where a test says so."""
    store = DraftStore(folder, draft_limit=9, bytes_limit=2**30)
    if not len(store):
        store.add(own_draft(), picture(1))
    peer = Orchestrator(orchestrator, tls_dir=tls_dir) if orchestrator else None
    sender = OutboxSender(store, peer, every_s=0.05)
    queue: Any = DraftQueue(lambda: pytest.fail("no drafts are made here"))
    server, port = await start_server(
        "127.0.0.1:0",
        lambda s: edge_pb2_grpc.add_EdgeServiceServicer_to_server(
            EdgeServicer(queue, store, sender), s
        ),
        [SERVICE],
    )
    async with AsyncUnderpaint(edge=f"127.0.0.1:{port}") as client:
        yield Node(store, sender, client)
    await server.stop(None)
    if peer:
        await peer.close()
    queue.close()
    store.close()


@pytest.fixture
async def cloud() -> AsyncIterator[tuple[StubOrchestrator, str]]:
    stub, address = StubOrchestrator(), f"127.0.0.1:{free_port()}"
    server = await serve(stub, address)
    yield stub, address
    await server.stop(None)


@pytest.fixture
async def stub(cloud: tuple[StubOrchestrator, str]) -> StubOrchestrator:
    return cloud[0]


@pytest.fixture
async def node(cloud: tuple[StubOrchestrator, str], tmp_path: Path) -> AsyncIterator[Node]:
    async with running(tmp_path, cloud[1]) as own:
        yield own


async def test_the_outbox_is_sent_by_tls(tmp_path: Path) -> None:
    tls_dir, address, stub = tmp_path / "tls", f"127.0.0.1:{free_port()}", StubOrchestrator()
    authority.init(tls_dir, [], days=10)
    server = await serve(stub, address, tls_dir)
    async with running(tmp_path / "plain", address) as node:
        kept = await node.keep()
        await node.client.send_outbox()
        assert "if it asks for TLS, give --tls-dir" in (await node.one()).reason
        assert kept.state is OutboxState.HELD
    async with running(tmp_path / "tls-node", address, tls_dir) as node:
        await node.keep()
        sent, left = await node.client.send_outbox()
        assert (len(sent), left) == (1, [])
    await server.stop(None)


async def test_cut_off_it_waits_says_so_and_is_sent_once_after_the_cut_heals(
    tmp_path: Path,
) -> None:
    address, stub = f"127.0.0.1:{free_port()}", StubOrchestrator()
    async with running(tmp_path, address) as node:
        kept = await node.keep()
        assert (kept.state, kept.accepted_usd_micros) == (OutboxState.HELD, PRICE)
        assert await node.keep() == kept
        sent, (left,) = await node.client.send_outbox()
        assert (sent, left.state) == ([], OutboxState.HELD)
        assert "out of reach" in left.reason
    # The node is started anew, and then the orchestrator is back.
    async with running(tmp_path, address) as node:
        assert await node.one() == left
        sender = asyncio.create_task(node.sender.run())
        server = await serve(stub, address)
        async with asyncio.timeout(PATIENCE_S):
            while await node.client.outbox():
                pass
        sender.cancel()
        with pytest.raises(PromotionNotFound, match="it was sent"):
            await node.client.drop_outbox("promotion-1")
    assert stub.heads == ["promotion-1"]
    assert stub.promotions["promotion-1"].promotion.draft_id == "aaaaaaaaaaaa"
    assert stub.script.calls.count("Quote") == 1
    await server.stop(None)


async def test_a_lost_answer_is_not_quoted_and_not_paid_again(
    node: Node, stub: StubOrchestrator
) -> None:
    await node.keep()
    stub.lose_promote_replies = 1
    sent, (left,) = await node.client.send_outbox("promotion-1")
    assert (sent, left.state, left.quoted_usd_micros) == ([], OutboxState.HELD, PRICE)
    stub.price = 90_000  # what is reserved has its price
    sent, others = await node.client.send_outbox("promotion-1")
    assert ([each.id for each in sent], others) == (["promotion-1"], [])
    assert list(stub.promotions) == ["promotion-1"]
    assert stub.script.calls.count("Quote") == 1
    assert await node.client.outbox() == []


async def test_what_the_client_had_sent_after_all_is_found(
    node: Node, stub: StubOrchestrator, cloud: tuple[StubOrchestrator, str]
) -> None:
    init_image = InitImage(draft=own_draft(), picture=picture(1))
    async with AsyncUnderpaint(orchestrator=cloud[1]) as client:
        quote = await client.quote(init_image, POLISH)
        await client.promote(init_image, POLISH, quote_id=quote.id, promotion_id="promotion-1")
    await node.keep(accepted=1)
    sent, _ = await node.client.send_outbox()
    assert [each.id for each in sent] == ["promotion-1"]
    assert len(stub.promotions) == 1


async def test_what_costs_more_than_was_accepted_asks_first(
    node: Node, stub: StubOrchestrator
) -> None:
    stub.price = PRICE + 1
    await node.keep()
    for _ in range(2):
        sent, (left,) = await node.client.send_outbox()
        assert (sent, left.state) == ([], OutboxState.ASKS)
        assert left.reason == "it costs at most $0.012501 now, and $0.0125 was accepted"
    assert stub.heads == []
    sent, (left,) = await node.client.send_outbox("promotion-1", accepted_usd_micros=PRICE)
    assert left.state is OutboxState.ASKS
    sent, _ = await node.client.send_outbox("promotion-1", accepted_usd_micros=PRICE + 1)
    assert [each.id for each in sent] == ["promotion-1"]
    assert stub.heads == ["promotion-1"]


async def test_what_asks_or_was_refused_is_not_sent_by_itself(
    node: Node, stub: StubOrchestrator
) -> None:
    await node.keep("promotion-1", accepted=0)
    await node.keep("promotion-2")
    stub.script.errors["Promote"] = [BudgetExceeded("project:default has no room")]
    sender = asyncio.create_task(node.sender.run())
    await node.keep("promotion-3")
    async with asyncio.timeout(PATIENCE_S):
        while len(items := await node.client.outbox()) > 2 or items[1].state is OutboxState.HELD:
            pass
    sender.cancel()
    assert [(each.promotion_id, each.state) for each in items] == [
        ("promotion-1", OutboxState.ASKS),
        ("promotion-2", OutboxState.REFUSED),
    ]
    assert "no price was accepted yet" in items[0].reason
    assert items[1].reason == "project:default has no room"
    assert stub.heads == ["promotion-3"]
    sent, _ = await node.client.send_outbox("promotion-2")
    assert [each.id for each in sent] == ["promotion-2"]
    assert (await node.client.drop_outbox("promotion-1")).promotion_id == "promotion-1"
    assert await node.client.outbox() == []


@pytest.mark.parametrize("error", [PolicyRefused("a rule says no"), InvalidRequest("too big")])
async def test_a_refusal_says_why(
    node: Node, stub: StubOrchestrator, error: UnderpaintError
) -> None:
    stub.script.errors["Quote"] = [error]
    await node.keep()
    _, (left,) = await node.client.send_outbox()
    assert (left.state, left.reason) == (OutboxState.REFUSED, str(error))


@pytest.mark.parametrize("privacy", [Privacy.DEVICE, Privacy.STRUCTURE])
async def test_a_private_draft_never_enters(
    node: Node, stub: StubOrchestrator, privacy: Privacy
) -> None:
    node.store.add(own_draft("private00000", privacy), picture(1))
    # A client that claims otherwise; ours cannot even ask.
    claimed = InitImage(draft=own_draft("private00000"), picture=picture(1))
    with pytest.raises(PrivacyViolation, match="stays on this device"):
        await node.client.keep_promotion(claimed, POLISH, promotion_id="promotion-1")
    assert await node.client.outbox() == []
    assert stub.script.calls == []


async def test_only_drafts_of_this_node_enter(node: Node) -> None:
    for draft, data in (
        (own_draft("bbbbbbbbbbbb"), picture(1)),
        (replace(own_draft(), digest=Digest.of(picture(2))), picture(2)),
        (own_draft("aaaaaa"), picture(1)),
    ):
        with pytest.raises(DraftNotFound):
            await node.client.keep_promotion(
                InitImage(draft=draft, picture=data), POLISH, promotion_id="promotion-1"
            )
    await node.keep()
    with pytest.raises(PromotionConflict):
        await node.client.keep_promotion(
            InitImage(draft=own_draft(), picture=picture(1)),
            replace(POLISH, strength=0.9),
            promotion_id="promotion-1",
        )
    with pytest.raises(InvalidRequest, match="promotion id"):
        await node.keep("short")
    with pytest.raises(InvalidRequest, match="name it"):
        await node.client.send_outbox(accepted_usd_micros=1)
    assert len(await node.client.outbox()) == 1


async def test_a_node_without_an_orchestrator_only_keeps(tmp_path: Path) -> None:
    async with running(tmp_path, "") as node:
        kept = await node.keep(accepted=AT_ANY_PRICE)
        assert "--orchestrator HOST:PORT" in kept.reason
        sent, (left,) = await node.client.send_outbox()
        assert (sent, left.state, left.reason) == ([], OutboxState.HELD, kept.reason)


async def test_sent_by_many_at_once_it_is_sent_once(node: Node, stub: StubOrchestrator) -> None:
    await node.keep()
    answers = await asyncio.gather(
        *(node.client.send_outbox("promotion-1") for _ in range(5)), return_exceptions=True
    )
    sent = [each for each in answers if not isinstance(each, BaseException)]
    assert len(sent) == 1
    assert all(isinstance(each, PromotionNotFound) for each in answers if each not in sent)
    assert stub.heads == ["promotion-1"]


async def test_a_cut_in_the_middle_of_sending_changes_nothing(
    node: Node, stub: StubOrchestrator
) -> None:
    for rpc in ("GetPromotion", "Quote", "Promote"):
        await node.keep()
        stub.script.errors[rpc] = [ServiceUnreachable("cut")]
        sent, (left,) = await node.client.send_outbox()
        assert (sent, left.state, left.reason) == ([], OutboxState.HELD, "cut")
    await node.client.send_outbox()
    assert stub.heads == ["promotion-1"]
