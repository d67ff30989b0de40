"""What fails for good is kept with its reason, and is retried by hand, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from underpaint.contract.errors import (
    BudgetExceeded,
    EngineFailed,
    NotDead,
    PromotionNotFound,
    QuoteExpired,
)
from underpaint.contract.promotion import Promotion, PromotionState
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.names import bare
from underpaint.orchestrator.promotions.archive import Archive, Archivist
from underpaint.orchestrator.promotions.dead_letters import retry_id
from underpaint.orchestrator.promotions.quoting import content_of
from underpaint.orchestrator.promotions.store import Lease, PromotionStore

from tests.integration.orchestrator.client import Client, request
from tests.integration.orchestrator.clocked import (
    ClockedMemory,
    ClockedRedis,
    at,
    clocked,
    promote,
)
from tests.integration.orchestrator.stub_cloud import StubCloud
from tests.unit.orchestrator.samples import OUTCOME, open_quote, promotion_request

Either = ClockedMemory | ClockedRedis
START = at("2026-11-21")
CHARGED = 1_000 + 1_738


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(str(tmp_path / "artifacts"))


@pytest.fixture(params=["memory", "redis"])
async def ledger(
    request: pytest.FixtureRequest, redis_url: str, artifacts: Artifacts
) -> AsyncIterator[Either]:
    kind = clocked(request.param, redis_url, Archive(artifacts))
    await kind.turn(START)
    await kind.open()
    await kind.set_budget("organisation:default", 10**9)
    yield kind
    await kind.close()


async def take_one(ledger: PromotionStore) -> Lease:
    (lease,) = await ledger.take("test", 1)
    return lease


async def fail(ledger: PromotionStore, promotion_id: str) -> Promotion:
    await promote(ledger, promotion_id, 100)
    return await ledger.release(await take_one(ledger), "given up after 3 attempts", dead=True)


async def retry(ledger: PromotionStore, promotion_id: str) -> Promotion:
    """What the desk tells the ledger."""
    again = promotion_request(retry_of=promotion_id)
    quote = open_quote(again, 120, f"q-again-{promotion_id}")
    await ledger.keep_quote(quote, 10.0**8)
    return await ledger.promote(retry_id(promotion_id), content_of(again), again, quote, 10.0**8)


async def dead(ledger: PromotionStore, size: int = 50) -> list[str]:
    found: list[str] = []
    token = ""
    while True:
        page = await ledger.dead(size, token)
        found += [each.id for each in page.promotions]
        token = page.next_token
        if not token:
            return found


async def test_only_what_nobody_wanted_to_end_is_dead(ledger: Either) -> None:
    await fail(ledger, "failed-001")
    await promote(ledger, "cancelled-001", 100)
    await ledger.cancel("cancelled-001")
    await promote(ledger, "settled-001", 100)
    lease = await take_one(ledger)
    await ledger.record(lease, OUTCOME)
    await ledger.settle(lease, 40, 360)
    await promote(ledger, "cancelled-002", 100)
    lease = await take_one(ledger)
    await ledger.cancel("cancelled-002")
    await ledger.release(lease, "the engine broke before it notified of it", dead=True)
    assert await dead(ledger) == ["failed-001"]
    one = await ledger.get("failed-001")
    assert (one.dead, one.attempts, one.reason) == (True, 1, "given up after 3 attempts")
    assert not (await ledger.get("cancelled-001")).dead


async def test_what_expires_is_dead_and_says_what_went_wrong_last(ledger: Either) -> None:
    await promote(ledger, "expired-001", 100, reservation_s=60)
    await ledger.retry(await take_one(ledger), 7, "the cloud is out of reach", counts=False)
    events = await ledger.events("expired-001", "", 99)
    assert events[-1].message == "the cloud is out of reach; trying again in 7 s"
    await promote(ledger, "expired-002", 100, reservation_s=60)
    await ledger.turn(START + 61)
    assert await ledger.expire_due(10) == 2
    assert await dead(ledger) == ["expired-002", "expired-001"]
    assert [(await ledger.get(id_)).reason for id_ in await dead(ledger)] == [
        "it was not finished in its time",
        "it was not finished in its time; last: the cloud is out of reach",
    ]


async def test_a_retry_is_another_promotion_and_the_dead_one_names_it(ledger: Either) -> None:
    for number in range(5):
        await fail(ledger, f"failed-{number:03d}")
    every = [f"failed-{number:03d}" for number in reversed(range(5))]
    for size in (1, 2, 5, 50):
        assert await dead(ledger, size) == every
    new = await retry(ledger, "failed-002")
    assert (new.state, new.quote.max_usd_micros) == (PromotionState.RESERVED, 120)
    assert new.promotion.retry_of == "failed-002"
    assert (await ledger.get("failed-002")).retried_as == new.id
    assert await dead(ledger) == [each for each in every if each != "failed-002"]
    assert await retry(ledger, "failed-002") == new
    assert [(b.reserved_usd_micros, b.spent_usd_micros) for b in await ledger.budgets()] == [
        (120, 0)
    ]
    await ledger.release(await take_one(ledger), "again", dead=True)
    assert (await dead(ledger))[0] == new.id


async def test_the_dead_are_listed_and_retried_from_the_archive(
    ledger: Either, artifacts: Artifacts
) -> None:
    before = await fail(ledger, "failed-001")
    await Archivist(store=ledger, archive=Archive(artifacts), kept_s=0).archive_all()
    assert (await ledger.dead(5, "")).promotions == (before,)
    await retry(ledger, "failed-001")
    assert await dead(ledger) == []


# A whole orchestrator


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
