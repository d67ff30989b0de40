"""A slow engine's promotions keep nobody from working at another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from underpaint.contract.generation import GenerationResult, Progress
from underpaint.contract.pictures import Digest
from underpaint.contract.promotion import PromotionState
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.notifier import notified
from underpaint.orchestrator.promotions.dispatcher import Dispatcher
from underpaint.orchestrator.promotions.engine import Polish
from underpaint.orchestrator.promotions.worker import Worker

from tests.conformance.implementations import LEASE_S, Store
from tests.conformance.steps import NOON
from tests.conformance.test_turns import promote, taken
from tests.unit.orchestrator.samples import DRAFT

CONCURRENCY, SLOW, QUICK = 4, 12, 40


async def test_so_many_are_taken_at_each_engine_beside_those_at_work(
    wealthy: Store,
) -> None:
    for number in range(3):
        await promote(wealthy, f"slow-{number}-id", engine="slow")
        await promote(wealthy, f"quick-{number}-id", engine="quick")
    leases = await wealthy.take("test", 2, {"slow": 1, "elsewhere": 9})
    assert [lease.promotion.id for lease in leases] == ["quick-0-id", "slow-0-id", "quick-1-id"]
    assert await wealthy.take("test", 2, {"slow": 2, "quick": 2}) == []
    leases = await wealthy.take("test", 2, {"slow": 3, "quick": 1})
    assert [lease.promotion.id for lease in leases] == ["quick-2-id"]
    assert await taken(wealthy, 5) == ["slow-1-id", "slow-2-id"]


async def test_what_has_lapsed_at_a_full_engine_hides_nothing_behind_it(
    wealthy: Store,
) -> None:
    """More than one page of it, so that looking at the oldest alone is not enough."""
    many = 120
    for number in range(many):
        await promote(wealthy, f"slow-{number:03d}-id", engine="slow")
    assert len(await taken(wealthy, many)) == many
    await promote(wealthy, "quick-id", engine="quick")
    assert await taken(wealthy, 1) == ["quick-id"]
    await wealthy.turn(NOON + int(LEASE_S) + 1)
    (lease,) = await wealthy.take("another", 2, {"slow": 2})
    assert (lease.promotion.id, lease.promotion.attempts) == ("quick-id", 2)
    lapsed = await wealthy.take("another", 2, {"slow": 1})
    assert [each.promotion.id for each in lapsed] == ["slow-000-id"]


class TwoEngines:
    """One draws at once, the other only when it is let."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.at_work = {"slow": 0, "quick": 0}
        self.most_at_work = {"slow": 0, "quick": 0}

    async def generate(
        self,
        polish: Polish,
        tell: Callable[[Progress], Awaitable[None]],
        timeout_s: float,
    ) -> GenerationResult:
        name = polish.engine
        self.at_work[name] += 1
        self.most_at_work[name] = max(self.at_work[name], self.most_at_work[name])
        try:
            await (self.go_on.wait() if name == "slow" else asyncio.sleep(0.01))
        finally:
            self.at_work[name] -= 1
        return GenerationResult(
            picture=DRAFT,
            width=128,
            height=96,
            model=name,
            upscaler="none",
            gpu_seconds=0.01,
        )


@pytest.fixture
async def engines(wealthy: Store, tmp_path: Path) -> AsyncIterator[TwoEngines]:
    artifacts = Artifacts(str(tmp_path / "artifacts"))
    await artifacts.put(DRAFT, Digest.of(DRAFT))
    both = TwoEngines()
    worker = Worker(
        store=wealthy,
        artifacts=artifacts,
        engine=both,
        lease_s=60,
        max_attempts=3,
        first_backoff_s=0.05,
    )
    dispatcher = Dispatcher(worker, CONCURRENCY)
    dispatcher.start()
    yield both
    await dispatcher.stop(0)


async def test_a_saturated_engine_does_not_hold_up_another(
    wealthy: Store, engines: TwoEngines
) -> None:
    slow = [f"slow-{number:02d}-id" for number in range(SLOW)]
    quick = [f"quick-{number:02d}-id" for number in range(QUICK)]
    for promotion_id in slow:
        await promote(wealthy, promotion_id, engine="slow")
    for promotion_id in quick:
        await promote(wealthy, promotion_id, engine="quick")
    await settled(wealthy, quick)
    assert {(await wealthy.get(each)).state for each in slow} <= {
        PromotionState.RESERVED,
        PromotionState.RUNNING,
    }
    engines.go_on.set()
    await settled(wealthy, slow)
    assert engines.most_at_work == {"slow": CONCURRENCY, "quick": CONCURRENCY}


async def settled(store: Store, promotion_ids: list[str]) -> None:
    async with asyncio.timeout(60):
        for promotion_id in promotion_ids:
            with store.listen(promotion_id) as news:
                while (await store.get(promotion_id)).state is not PromotionState.SETTLED:
                    news.clear()
                    await notified(news, 0.2)
