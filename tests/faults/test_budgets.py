"""Many ask at once, and ends race each other: every micro-dollar is where it should be."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from underpaint.contract.errors import BudgetExceeded
from underpaint.contract.promotion import Promotion, PromotionState
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.promotions.store import Lease, LeaseLost, Overcharge
from underpaint.orchestrator.storage.redis.store import RedisStore

from tests.conformance.steps import promote
from tests.faults.house import QUOTED, House, charge, script, sprung, until
from tests.faults.verdict import check_the_ledger
from tests.unit.orchestrator.samples import DRAFT, OUTCOME

SCOPE = "organisation:default"
RACES = 1_000
AT_ONCE = 25


async def test_10_concurrent_promoters_never_exceed_the_budget(house: House) -> None:
    """200 clients of two orchestrators, room for 30; after every single entry it holds."""
    room = 30
    doors = [await house.start("--concurrency", "0") for _ in range(2)]
    await doors[0].client.set_budget(SCOPE, room * QUOTED + QUOTED // 2)
    observed = set()

    async def one(number: int) -> bool:
        try:
            await house.promote(doors[number % 2], f"promotion-{number}")
        except BudgetExceeded:
            return False
        finally:
            observed.add((await doors[number % 2].client.budgets())[SCOPE])
        return True

    accepted = await asyncio.gather(*(one(number) for number in range(200)))
    assert accepted.count(True) == room
    assert max(reserved + spent for reserved, spent in observed) == room * QUOTED
    await house.start()
    await check_the_ledger(house)


async def test_11_exactly_the_limit_is_accepted_and_one_more_refused(house: House) -> None:
    """To the micro-dollar, in the narrowest of the scopes."""
    orders_only = await house.start("--concurrency", "0")
    await orders_only.client.set_budget("user:default", 2 * QUOTED)
    for number in range(2):
        await house.promote(orders_only, f"promotion-{number}")
    with pytest.raises(BudgetExceeded):
        await house.promote(orders_only, "promotion-2")
    await orders_only.client.set_budget("user:default", 3 * QUOTED - 1)
    with pytest.raises(BudgetExceeded):
        await house.promote(orders_only, "promotion-2")
    await orders_only.client.set_budget("user:default", 3 * QUOTED)
    await house.promote(orders_only, "promotion-2")
    await house.start()
    await check_the_ledger(house)


@pytest.fixture
async def ledger(house: House) -> AsyncIterator[RedisStore]:
    """A worker's own hands on the ledger."""
    opened = RedisStore(house.url, lease_s=60)
    await opened.open()
    await opened.set_budget(SCOPE, 10**9)
    artifacts = Artifacts(str(house.data_folder / "artifacts"))
    await artifacts.put(DRAFT, OUTCOME.digest)
    yield opened
    await opened.close()


async def _made(ledger: RedisStore, promotion_id: str, cost: int) -> Lease:
    """A lease of a promotion that only needs settling."""
    await promote(ledger, promotion_id, cost, reservation_s=600)
    (lease,) = await ledger.take("test", 1)
    await ledger.record(lease, OUTCOME)
    return lease


async def test_12_settling_above_the_reservation_is_refused_loudly(
    house: House, ledger: RedisStore
) -> None:
    """The step refuses what a worker should never ask; the worker itself stays below the quote."""
    lease = await _made(ledger, "promotion-1", 1_000)
    for wrong in (1_001, 2**53 - 1, -1):
        with pytest.raises(Overcharge):
            await ledger.settle(lease, wrong, 0)
    (budget,) = await ledger.budgets()
    assert (budget.reserved_usd_micros, budget.spent_usd_micros) == (1_000, 0)
    await ledger.release(lease, "as good as new")
    house.orders.gpu_seconds.write_text("100000")
    orchestrator = await house.start()
    await house.promote(orchestrator, "promotion-2")
    assert await house.ended("promotion-2") == b"settled"
    assert await orchestrator.client.budgets() == {SCOPE: (0, QUOTED)}
    await check_the_ledger(house)


async def test_13_a_cancel_releases_once_or_changes_nothing(house: House) -> None:
    """While it is queued, runs, settles, and when it is finished; each asked twice."""

    async def cancelled(promotion_id: str) -> Promotion:
        ended = await orders_only.client.cancel(promotion_id)
        assert await orders_only.client.cancel(promotion_id) == ended
        return ended

    orders_only = await house.start("--concurrency", "0")
    await house.promote(orders_only, "queued-1")
    assert (await cancelled("queued-1")).state is PromotionState.RELEASED

    house.orders.hold.touch()
    wire = await house.between(house.socket)
    await house.start("--lease-s", "60", redis=wire)
    await house.promote(orders_only, "running-1")
    await house.began("running-1")
    assert (await cancelled("running-1")).state is PromotionState.RELEASED
    await until(lambda: house.orders.wrote("dropped", "running-1"), "the engine has stopped")
    house.orders.hold.unlink()

    settling = wire.hold(script("settle"))
    await house.promote(orders_only, "settling-1")
    await sprung(settling.sprung)
    asking = asyncio.create_task(orders_only.client.cancel("settling-1"))
    await until(lambda: house.field("settling-1", "cancel"), "the cancel has come")
    settling.let_go()
    assert (await asking).state is PromotionState.SETTLED

    assert (await cancelled("settling-1")).state is PromotionState.SETTLED
    assert await orders_only.client.budgets() == {SCOPE: (0, charge(2))}
    await check_the_ledger(house)


async def test_14_of_cancel_and_settle_exactly_one_wins(house: House, ledger: RedisStore) -> None:
    """Raced a thousand times; the sums agree with who won."""

    rival = RedisStore(house.url, lease_s=60)

    async def race(number: int) -> int:
        lease = await _made(ledger, f"promotion-{number}", 100)
        racers = [
            ledger.settle(lease, 40, 0),
            rival.release(lease, "cancelled"),
            rival.cancel(lease.promotion.id),
        ]
        random.Random(number).shuffle(racers)
        ended = await asyncio.gather(*racers, return_exceptions=True)
        assert sum(isinstance(each, LeaseLost) for each in ended) == 1
        promotion = await ledger.get(lease.promotion.id)
        return 40 if promotion.state is PromotionState.SETTLED else 0

    spent = []
    for first in range(0, RACES, AT_ONCE):
        spent += await asyncio.gather(*(race(number) for number in range(first, first + AT_ONCE)))
    await rival.close()
    (budget,) = await ledger.budgets()
    assert (budget.reserved_usd_micros, budget.spent_usd_micros) == (0, sum(spent))
    assert {0, 40} == set(spent), "one side always won: that is no race"
    house.acknowledged = {f"promotion-{number}" for number in range(RACES)}
    await check_the_ledger(house)
