"""The whole path in one process: real gRPC, a real Redis, a scripted cloud."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from underpaint.contract.errors import (
    BudgetExceeded,
    EngineBusy,
    EngineFailed,
    InvalidRequest,
    PromotionConflict,
    PromotionNotFound,
    QuoteExpired,
)
from underpaint.contract.pictures import Digest
from underpaint.contract.promotion import Account, PromotionState
from underpaint.v1 import orchestrator_pb2 as pb

from tests.integration.orchestrator.client import Client, request
from tests.integration.orchestrator.stub_cloud import PREVIEW, StubCloud, picture_of
from tests.unit.orchestrator.samples import DRAFT

CHARGED = 1_000 + 1_738  # a picture and ceil(2.5 x 695), from the shipped prices
QUOTED = 1_000 + 120 * 695

PROJECT = Account().scopes[2]


async def test_quote_promote_watch_artifact_receipt_spend(client: Client, cloud: StubCloud) -> None:
    quote = await client.quote()
    assert quote.max_usd_micros == QUOTED == sum(line.usd_micros for line in quote.lines)
    assert quote.cloud_only_usd_micros == 9 * QUOTED
    assert (quote.engine, quote.verdicts[-1].rule) == ("full", "polish")
    promoted = await client.promote("promotion-1", quote_id=quote.id)
    assert promoted.quote == quote
    events = await client.events("promotion-1")
    assert events[0].state is PromotionState.RESERVED
    assert events[-1].state is PromotionState.SETTLED
    assert [event.step for event in events if event.steps] == [1, 2, 3, 4]
    assert [event.preview for event in events if event.preview] == [PREVIEW, PREVIEW]
    promotion = await client.get("promotion-1")
    assert promotion.receipt
    assert promotion.receipt.charged_usd_micros == CHARGED
    assert promotion.receipt.quoted_usd_micros == QUOTED
    assert promotion.receipt.cloud_only_usd_micros == 9 * CHARGED
    assert promotion.lineage
    assert promotion.lineage.draft_sha256 == Digest.of(DRAFT).sha256
    assert (promotion.lineage.model, promotion.lineage.upscaler) == ("stub-model", "stub-upscaler")
    assert promotion.artifact
    picture = await client.artifact(promotion.id, promotion.artifact.sha256)
    assert hashlib.sha256(picture).hexdigest() == promotion.artifact.sha256
    assert await client.budgets() == {"organisation:default": (0, CHARGED)}
    assert await client.spend("project:default") == {PROJECT: (1, CHARGED, 9 * CHARGED)}
    assert len(await client.spend()) == 4
    (call,) = cloud.calls
    assert call.init_image == DRAFT
    assert call.engine == "full"
    for index in range(len(events)):
        assert await client.events("promotion-1", events[index].id) == events[index + 1 :]


async def test_zeros_and_an_empty_engine_take_what_is_quoted(
    client: Client, cloud: StubCloud
) -> None:
    sent = request(engine="")
    for name in ("width", "height", "num_inference_steps", "guidance_scale"):
        sent.request.ClearField(name)
    quote = await client.quote(sent)
    # The engine's 1024 x 1024 pixels in the shape of the draft, which is 4:3.
    assert (quote.request.width, quote.request.height) == (1184, 888)
    assert quote.request.num_inference_steps == 28
    assert quote.warnings == ()
    promoted = await client.promote("promotion-1", sent, quote_id=quote.id)
    assert promoted.promotion.request == quote.request
    again = await client.promote("promotion-1", sent, quote_id="")
    assert (again.promotion, again.quote) == (promoted.promotion, promoted.quote)
    filled = request(request=quote.request)
    assert (await client.promote("promotion-1", filled, quote_id="")).id == "promotion-1"
    assert (await client.finished("promotion-1")).state is PromotionState.SETTLED
    assert cloud.calls[0].request.guidance_scale == 4.0


async def test_a_replay_returns_what_is_stored_even_with_the_budget_gone(
    client: Client, cloud: StubCloud
) -> None:
    await client.set_budget("project:default", QUOTED)
    await client.promote("promotion-1")
    finished = await client.finished("promotion-1")
    await client.set_budget("project:default", 0)
    assert await client.promote("promotion-1", quote_id="gone") == finished
    assert len(cloud.calls) == 1
    with pytest.raises(PromotionConflict, match="promotion-1 is taken by other content"):
        await client.promote("promotion-1", request(draft_count=3))
    with pytest.raises(BudgetExceeded, match=f"{PROJECT} has"):
        await client.promote("promotion-2")
    assert (await client.budgets())[PROJECT] == (0, CHARGED)


async def test_an_account_without_a_budget_gets_advice(client: Client) -> None:
    await client.stub.SetBudget(pb.SetBudgetRequest(scope="organisation:default", remove=True))
    elsewhere = request(account=Account(team="x", project="x", user="x"))
    with pytest.raises(BudgetExceeded, match="underpaint budget set project:default/x/x 5"):
        await client.promote("promotion-1", elsewhere)


async def test_a_quote_is_for_its_content_and_its_time(client: Client) -> None:
    with pytest.raises(QuoteExpired, match="unknown or has expired"):
        await client.promote("promotion-1", quote_id="q-unknown")
    quote = await client.quote()
    with pytest.raises(QuoteExpired, match="for other content"):
        await client.promote("promotion-1", request(draft_count=9), quote_id=quote.id)


async def test_cancel_running_stops_the_engine_and_releases(
    client: Client, cloud: StubCloud
) -> None:
    cloud.script = ["hang"]
    await client.promote("promotion-1")
    await asyncio.wait_for(cloud.started.wait(), 20)
    cancelled = await client.cancel("promotion-1")
    assert (cancelled.state, cancelled.reason) == (PromotionState.RELEASED, "cancelled")
    await asyncio.wait_for(cloud.stopped.wait(), 20)
    assert await client.budgets() == {"organisation:default": (0, 0)}
    events = await client.events("promotion-1")
    assert (events[-1].state, events[-1].message) == (PromotionState.RELEASED, "cancelled")


async def test_cancel_queued_and_finished(client: Client, cloud: StubCloud) -> None:
    cloud.script = ["hang"] * 4
    for number in range(5):
        await client.promote(f"promotion-{number}")
    queued = await client.cancel("promotion-4")
    assert (queued.state, queued.attempts) == (PromotionState.RELEASED, 0)
    cloud.go_on.set()
    settled = await client.finished("promotion-0")
    assert await client.cancel("promotion-0") == settled
    for number in range(1, 4):
        await client.finished(f"promotion-{number}")
    assert await client.budgets() == {"organisation:default": (0, 4 * CHARGED)}
    with pytest.raises(PromotionNotFound):
        await client.cancel("unknown-1")


async def test_a_busy_engine_is_asked_again_and_counts_no_attempt(
    client: Client, cloud: StubCloud
) -> None:
    cloud.script = [EngineBusy("all at work"), EngineBusy("all at work"), "draw"]
    await client.promote("promotion-1")
    finished = await client.finished("promotion-1")
    assert (finished.state, finished.attempts) == (PromotionState.SETTLED, 1)
    assert len(cloud.calls) == 3


async def test_a_cloud_out_of_reach_is_waited_for(client: Client, cloud: StubCloud) -> None:
    await cloud.stop()
    await client.promote("promotion-1")
    async for event in client.watch("promotion-1"):
        if "out of reach" in event.message:
            break
    assert (await client.get("promotion-1")).state is not PromotionState.RELEASED
    await cloud.start()
    assert (await client.finished("promotion-1")).state is PromotionState.SETTLED


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (EngineFailed("out of memory"), "given up after 3 attempts: out of memory"),
        ("nothing", "ended without a picture"),
        ("small", "made 8 x 8 instead of 1024 x 1024"),
        ("damaged", "arrived damaged or incomplete"),
        ("timeless", "cannot be right"),
    ],
)
async def test_a_failing_engine_is_tried_again_then_the_money_is_back(
    client: Client, cloud: StubCloud, step: EngineFailed | str, reason: str
) -> None:
    cloud.script = [step] * 3
    await client.promote("promotion-1")
    released = await client.finished("promotion-1")
    assert released.state is PromotionState.RELEASED
    assert reason in released.reason
    assert len(cloud.calls) == released.attempts == 3
    assert await client.budgets() == {"organisation:default": (0, 0)}


async def test_what_an_engine_will_never_take_is_released_at_once(
    client: Client, cloud: StubCloud
) -> None:
    cloud.script = [InvalidRequest("the prompt is in no language")]
    await client.promote("promotion-1")
    released = await client.finished("promotion-1")
    assert (released.state, released.reason) == (
        PromotionState.RELEASED,
        "the prompt is in no language",
    )
    assert len(cloud.calls) == 1


async def test_a_charge_is_capped_at_the_quote(client: Client, cloud: StubCloud) -> None:
    cloud.gpu_seconds = 10_000.0
    await client.promote("promotion-1")
    finished = await client.finished("promotion-1")
    assert finished.receipt
    assert finished.receipt.charged_usd_micros == QUOTED


async def test_a_jpeg_draft_is_taken_too(client: Client) -> None:
    jpeg = picture_of(64, 64, "JPEG")
    sent = request(init_image=Digest.of(jpeg, "image/jpeg"), init_width=64, init_height=64)
    await client.promote("promotion-1", sent, jpeg)
    assert (await client.finished("promotion-1")).state is PromotionState.SETTLED
    assert await client.artifact("promotion-1", Digest.of(jpeg).sha256) == jpeg
