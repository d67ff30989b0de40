"""Which engines answer, as last notified."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from underpaint.contract.engines import EngineDescription
from underpaint.contract.errors import ServiceUnreachable
from underpaint.orchestrator.promotions.engine_health import FRESH_S, EngineHealth

from tests.unit.contract import samples


class Cloud:
    """Engines to script, and how often they were asked for."""

    def __init__(self) -> None:
        self.engines: frozenset[str] | None = frozenset({"full"})
        self.asked = 0
        self.at = 0.0

    async def served(self) -> list[EngineDescription]:
        self.asked += 1
        if self.engines is None:
            raise ServiceUnreachable("nothing answers")
        return [replace(samples.ENGINE, name=name) for name in self.engines]


async def test_an_answer_is_used_again_while_it_is_fresh() -> None:
    cloud = Cloud()
    health = EngineHealth(cloud.served, clock=lambda: cloud.at)
    answers = await asyncio.gather(*(health.healthy() for _ in range(5)))
    assert answers == [{"full"}] * 5
    assert cloud.asked == 1
    cloud.engines = frozenset({"full", "small"})
    cloud.at = FRESH_S - 0.01
    assert await health.healthy() == {"full"}
    cloud.at = FRESH_S
    assert await health.healthy() == {"full", "small"}


async def test_who_does_not_answer_is_not_healthy_and_is_asked_again() -> None:
    cloud = Cloud()
    health = EngineHealth(cloud.served, clock=lambda: cloud.at)
    await health.healthy()
    cloud.engines, cloud.at = None, FRESH_S
    assert not await health.healthy()
    # What it said of itself is still true, though.
    assert await health.described() == {"full": samples.ENGINE}
    cloud.engines, cloud.at = frozenset({"small"}), 2 * FRESH_S
    assert await health.healthy() == {"small"}
    assert (await health.described()).keys() == {"full", "small"}
    cloud.engines, cloud.at = frozenset({"full"}), 3 * FRESH_S
    assert await health.healthy() == {"full"}
