"""What is asked about policies never holds the event loop: others are served meanwhile."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

from underpaint.orchestrator import pricing
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.policy import InForce
from underpaint.orchestrator.policy.service import PolicyService
from underpaint.orchestrator.promotions.store import PromotionStore
from underpaint.orchestrator.settings import POLICY, PRICES
from underpaint.orchestrator.storage.memory.store import MemoryStore
from underpaint.orchestrator.storage.redis.store import RedisStore

from tests.conformance.steps import promote
from tests.watchdog import assert_loop_is_free

PROMOTIONS = 600
RULES = 190


def large(engine: str = "full") -> str:
    """A policy near what is allowed: of 190 rules with 20 calculations each the last one routes."""
    lines = ["rules:"]
    for number in range(RULES):
        sums = " || ".join(f"request.width + {number * 20 + each} == 5" for each in range(20))
        lines.append(f"  - name: r{number}\n    when: {sums}\n    refuse: no")
    return "\n".join([*lines, f"  - {{name: rest, route: {engine}}}", ""])


def change(file: Path, text: str) -> None:
    file.write_text(text)


def service_of(history: PromotionStore, tmp_path: Path) -> PolicyService:
    prices = pricing.load(PRICES)
    return PolicyService(
        history=history,
        artifacts=Artifacts(str(tmp_path)),
        policies=InForce(POLICY, prices.engines),
        prices=prices,
    )


async def test_a_replay_of_a_large_policy_leaves_the_loop_to_others(
    clean_redis: str, tmp_path: Path
) -> None:
    ledger = RedisStore(clean_redis, lease_s=1)
    await ledger.open()
    await ledger.set_budget("organisation:default", 10**9)
    for number in range(PROMOTIONS):
        await promote(ledger, f"promotion-{number}")
    service, since = service_of(ledger, tmp_path), datetime.now(UTC) - timedelta(days=1)
    replay = await assert_loop_is_free(
        lambda: service.replay(large(), since, reached=lambda _: True)
    )
    assert {each.outcome: each.after for each in replay.lines if each.after} == {
        "routed": PROMOTIONS
    }
    await ledger.close()


async def test_a_check_of_a_large_policy_leaves_the_loop_to_others(tmp_path: Path) -> None:
    service = service_of(MemoryStore(lease_s=1), tmp_path)
    check = await assert_loop_is_free(lambda: service.check(large()))
    assert check.rules == RULES + 1
    check = await assert_loop_is_free(lambda: service.check(large("gone")))
    assert "engine 'gone', which has no price" in check.problems[0].told


async def test_a_changed_file_that_is_large_leaves_the_loop_to_others(tmp_path: Path) -> None:
    change(file := tmp_path / "policy.yaml", POLICY.read_text())
    force = InForce(file, {"full"})
    blanks = itertools.count()

    async def look() -> bool:
        change(file, large() + "\n" * next(blanks))
        return await force.look(settled=True)

    assert await assert_loop_is_free(look)
    assert len(force.current.rules) == RULES + 1
