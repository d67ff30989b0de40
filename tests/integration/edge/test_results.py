"""What becomes of a draft that is not delivered, or not of the size that was asked."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from underpaint.contract.errors import (
    EngineFailed,
    ResultFlagged,
    ResultUnusable,
)

from tests.integration.edge.noise import Node


async def test_a_draft_that_is_withheld_is_told_in_its_turn_and_the_others_follow(
    node: Node,
) -> None:
    node.engine.withheld = {8: ResultFlagged("it was flagged"), 9: ResultUnusable("it is black")}
    drafts = [draft for draft, _ in await node.make(count=4, seed=7)]
    assert [draft.request.seed for draft in drafts] == [7, 10]
    assert [part for part in node.order if part != "chunk"] == [
        "draft",
        "withheld",
        "withheld",
        "draft",
    ]
    assert node.withheld == [(8, "it was flagged"), (9, "it is black")]
    assert len(node.store) == 2


async def test_if_no_draft_is_delivered_the_call_fails(node: Node) -> None:
    node.engine.withheld = {7: ResultFlagged("flagged"), 8: ResultUnusable("black")}
    with pytest.raises(ResultUnusable, match="black"):
        await node.make(count=2, seed=7)
    with pytest.raises(ResultFlagged, match="flagged"):
        await node.make(seed=7)


async def test_the_size_of_a_draft_is_what_was_made(node: Node) -> None:
    node.engine.multiple = 64
    ((draft, picture),) = await node.make(width=200, height=136)
    with Image.open(io.BytesIO(picture)) as made:
        assert (draft.request.width, draft.request.height) == made.size == (192, 128)
    assert draft.warnings == (
        "asked for 200 x 136 pixels; noise drew 192 x 128, the nearest size that it can draw",
    )
    assert (await node.get(draft.id))[0] == draft
    ((draft, _),) = await node.make(width=192, height=128)
    assert draft.warnings == ()


async def test_a_size_that_no_draft_may_have_is_a_failure(node: Node) -> None:
    node.engine.multiple = 50
    with pytest.raises(EngineFailed, match="noise drew 150 x 100 pixels, which no draft may"):
        await node.make(width=192, height=128)
    assert len(node.store) == 0
