"""The pictures beside a draft in the outbox: masks, control maps and references."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from underpaint.contract.drafts import InitImage
from underpaint.contract.edges import edge_map
from underpaint.contract.errors import InvalidRequest, PromotionConflict
from underpaint.v1 import edge_pb2

from tests.integration.edge.test_outbox import POLISH, PRICE, Node, own_draft, running, serve
from tests.integration.orchestrator.conftest import free_port
from tests.integration.sdk.script import picture
from tests.integration.sdk.stub_orchestrator import StubOrchestrator


@pytest.fixture
async def cloud() -> AsyncIterator[tuple[StubOrchestrator, str]]:
    stub, address = StubOrchestrator(), f"127.0.0.1:{free_port()}"
    server = await serve(stub, address)
    yield stub, address
    await server.stop(None)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with running(tmp_path, "") as own:
        yield own


async def test_the_pictures_beside_a_draft_wait_with_it_and_survive_a_restart(
    cloud: tuple[StubOrchestrator, str], tmp_path: Path
) -> None:
    draft = InitImage(draft=own_draft(), picture=picture(1))
    with Image.open(io.BytesIO(draft.picture)) as image:
        size = image.size
    mask = io.BytesIO()
    Image.new("L", size, 255).save(mask, "PNG")
    polish = replace(
        POLISH,
        mask=mask.getvalue(),
        control=edge_map(draft.picture),
        control_kind="edges",
        references=(picture(2), picture(3)),
    )
    sent: dict[str, Any] = {"promotion_id": "promotion-1", "accepted_usd_micros": PRICE}
    async with running(tmp_path, "") as node:
        await node.client.keep_promotion(draft, polish, **sent)
        await node.client.keep_promotion(draft, polish, **sent)  # again changes nothing
        with pytest.raises(PromotionConflict):
            await node.client.keep_promotion(draft, replace(polish, mask=b""), **sent)
        black = io.BytesIO()
        Image.new("L", size).save(black, "PNG")
        with pytest.raises(InvalidRequest, match="black everywhere"):
            await node.client.keep_promotion(draft, replace(polish, mask=black.getvalue()), **sent)
    async with running(tmp_path, cloud[1]) as node:
        await node.client.send_outbox()
        assert await node.client.outbox() == []
        assert node.store.outbox.pictures("promotion-1") == []
    assert cloud[0].inputs["promotion-1"] == polish.inputs(draft)


async def test_the_node_takes_only_the_pictures_that_were_announced(node: Node) -> None:
    draft = InitImage(draft=own_draft(), picture=picture(1))
    promotion = replace(POLISH, references=(picture(2),)).to_wire(draft)
    for references, told in (
        ((), "1 pictures came with 2"),
        ((picture(3),), "reference 1 differs"),
    ):
        request = edge_pb2.KeepPromotionRequest(
            promotion_id="promotion-1", promotion=promotion, references=references
        )
        with pytest.raises(InvalidRequest, match=told), node.client._edge.call("KeepPromotion"):
            await node.client._edge.stub.KeepPromotion(request)
