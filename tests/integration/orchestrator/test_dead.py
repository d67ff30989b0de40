"""What failed for good is retried by hand, once, in a whole orchestrator."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from underpaint.contract.errors import (
    BudgetExceeded,
    EngineFailed,
    NotDead,
    PromotionNotFound,
    QuoteExpired,
)
from underpaint.contract.promotion import Promotion, PromotionState
from underpaint.orchestrator.names import bare
from underpaint.orchestrator.promotions.dead_letters import retry_id

from tests.integration.orchestrator.client import Client, request
from tests.integration.orchestrator.stub_cloud import StubCloud

CHARGED = 1_000 + 1_738


@pytest.fixture
async def failed(client: Client, cloud: StubCloud) -> Promotion:
    cloud.script = [EngineFailed("out of memory")] * 3
    await client.promote("promotion-1", request(engine=""))
    return await client.finished("promotion-1")


async def test_a_dead_promotion_is_retried_once_and_charged_once(
    client: Client, failed: Promotion
) -> None:
    assert (failed.dead, failed.attempts) == (True, 3)
    assert [each.id for each in await client.dead()] == ["promotion-1"]
    quotes = [await client.quote_retry("promotion-1") for _ in range(2)]
    assert quotes[0].max_usd_micros == failed.quote.max_usd_micros
    retries = await asyncio.gather(
        *(client.retry("promotion-1", quotes[number % 2].id) for number in range(6))
    )
    assert {each.id for each in retries} == {bare(retry_id("default/promotion-1"))}
    finished = await client.finished(retries[0].id)
    assert finished.state is PromotionState.SETTLED
    assert finished.promotion.retry_of == "promotion-1"
    assert finished.promotion == replace(failed.promotion, retry_of="promotion-1")
    assert await client.retry("promotion-1", "gone") == finished
    assert await client.budgets() == {"organisation:default": (0, CHARGED)}
    assert await client.dead() == []
    assert (await client.get("promotion-1")).retried_as == finished.id


async def test_a_retry_is_refused_as_any_promotion_is(client: Client, failed: Promotion) -> None:
    with pytest.raises(QuoteExpired):
        await client.retry("promotion-1", "gone")
    quote = await client.quote_retry("promotion-1")
    await client.set_budget("organisation:default", 1)
    with pytest.raises(BudgetExceeded):
        await client.retry("promotion-1", quote.id)
    assert [each.id for each in await client.dead()] == ["promotion-1"]


async def test_what_is_not_dead_is_not_retried(client: Client) -> None:
    await client.promote("promotion-1")
    await client.finished("promotion-1")
    with pytest.raises(NotDead, match="it is settled"):
        await client.quote_retry("promotion-1")
    with pytest.raises(NotDead):
        await client.retry("promotion-1", "any")
    with pytest.raises(PromotionNotFound):
        await client.retry("promotion-2", "any")


async def test_no_client_can_claim_to_repeat_a_dead_one(client: Client, failed: Promotion) -> None:
    promoted = await client.promote("promotion-2", request(retry_of="promotion-1"))
    assert promoted.promotion.retry_of == ""
    assert [each.id for each in await client.dead()] == ["promotion-1"]
