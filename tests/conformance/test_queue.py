"""Work under leases: fences, heartbeats, retries and expiry."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest
from underpaint.contract.generation import Progress
from underpaint.contract.money import MAX_USD_MICROS
from underpaint.contract.promotion import PromotionState
from underpaint.orchestrator.promotions.store import LeaseLost, Overcharge

from tests.conformance.implementations import LEASE_S, Store
from tests.conformance.steps import NOON, balance, promote, take_one
from tests.unit.orchestrator.samples import OUTCOME

LAPSED = NOON + int(LEASE_S) + 1


async def test_settling_above_the_reservation_is_refused_loudly(funded: Store) -> None:
    await promote(funded, "promotion-1")
    lease = await take_one(funded)
    await funded.record(lease, OUTCOME)
    for wrong in (1_001, MAX_USD_MICROS, -1):
        with pytest.raises(Overcharge):
            await funded.settle(lease, wrong, 0)
    assert await balance(funded) == (1_000, 0)
    await funded.settle(lease, 1_000, 0)
    assert await balance(funded) == (0, 1_000)


async def test_settling_needs_a_recorded_outcome(funded: Store) -> None:
    await promote(funded, "promotion-1")
    with pytest.raises(Exception, match="no outcome to settle"):
        await funded.settle(await take_one(funded), 1, 0)
    assert await balance(funded) == (1_000, 0)


async def test_a_cancelled_promotion_whose_worker_died_is_released(funded: Store) -> None:
    await promote(funded, "promotion-1")
    await take_one(funded)
    await funded.cancel("promotion-1")
    await funded.turn(LAPSED)
    assert await funded.take("test", 10) == []
    assert (await funded.get("promotion-1")).state is PromotionState.RELEASED
    assert await balance(funded) == (0, 0)


async def test_cancel_racing_settle_one_wins(funded: Store) -> None:
    spent = 0
    for number in range(60):
        await promote(funded, f"promotion-{number}", 100)
        lease = await take_one(funded)
        await funded.record(lease, OUTCOME)
        steps = [funded.settle(lease, 40, 0), funded.cancel(lease.promotion.id)]
        random.Random(number).shuffle(steps)
        await asyncio.gather(*steps)
        spent += 40
    assert await balance(funded) == (0, spent)


async def test_a_stale_fence_writes_nothing(funded: Store) -> None:
    await promote(funded, "promotion-1")
    stale = await take_one(funded)
    await funded.turn(LAPSED)
    lease = await take_one(funded)
    assert lease.fence > stale.fence
    assert lease.promotion.attempts == 2
    for late in (
        funded.renew(stale),
        funded.cancelled(stale),
        funded.progress(stale, Progress(step=1, steps=2, stage="late")),
        funded.record(stale, replace(OUTCOME, model="late")),
        funded.settle(stale, 1, 1),
        funded.release(stale, "late"),
        funded.retry(stale, 0, "late", counts=True),
    ):
        with pytest.raises(LeaseLost):
            await late
    assert not any(e.message == "late" for e in await funded.events("promotion-1", "", 100))
    await funded.record(lease, OUTCOME)
    settled = await funded.settle(lease, 10, 90)
    assert settled.lineage
    assert settled.lineage.model == "stub"
    assert await balance(funded) == (0, 10)


async def test_a_heartbeat_keeps_the_lease(funded: Store) -> None:
    await promote(funded, "promotion-1")
    lease = await take_one(funded)
    for third in range(1, 7):
        await funded.turn(NOON + third * int(LEASE_S) // 3)
        assert not await funded.renew(lease)
        assert await funded.take("other", 10) == []


async def test_a_lapsed_lease_hands_on_the_outcome(funded: Store) -> None:
    await promote(funded, "promotion-1")
    lease = await take_one(funded)
    assert lease.outcome is None
    await funded.record(lease, OUTCOME)
    await funded.turn(LAPSED)
    assert (await take_one(funded)).outcome == OUTCOME


async def test_a_retry_waits_and_its_money_stays_reserved(funded: Store) -> None:
    await promote(funded, "promotion-1")
    await funded.retry(await take_one(funded), 15, "busy", counts=False)
    waiting = await funded.get("promotion-1")
    assert (waiting.state, waiting.attempts) == (PromotionState.RESERVED, 0)
    assert await funded.take("test", 10) == []
    assert await balance(funded) == (1_000, 0)
    await funded.turn(NOON + 15)
    lease = await take_one(funded)
    assert (lease.promotion.attempts, lease.refusals) == (1, 1)
    await funded.retry(lease, 0, "failed", counts=True)
    lease = await take_one(funded)
    assert lease.promotion.attempts == 2
    await funded.retry(lease, 60, "busy", counts=False)
    assert (await funded.cancel("promotion-1")).state is PromotionState.RELEASED
    assert await balance(funded) == (0, 0)


async def test_what_is_never_finished_expires_once(funded: Store) -> None:
    await promote(funded, "waiting-1", reservation_s=60)
    await promote(funded, "running-1", reservation_s=60)
    await promote(funded, "later-1")
    leases = await funded.take("test", 2)
    await funded.turn(NOON + 60)
    assert await funded.expire_due(10) == 2
    assert await funded.expire_due(10) == 0
    assert (await funded.get("waiting-1")).state is PromotionState.EXPIRED
    for lease in leases:
        with pytest.raises(LeaseLost):
            await funded.renew(lease)
    assert await balance(funded) == (1_000, 0)
    assert [lease.promotion.id for lease in await funded.take("test", 9)] == ["later-1"]
