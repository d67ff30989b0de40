"""What is asked of the store in Redis alone: its sizes, its costs and its formats."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest
from redis import Redis
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.promotion import PromotionState
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.promotions.archive import Archive

from tests.conformance.redis import ClockedRedis
from tests.conformance.steps import at, made, promote

MOST_TOMBSTONE_BYTES = 90  # of an id of 26 characters, among many


def unopened(redis_url: str, archive: Archive | None = None) -> ClockedRedis:
    root = f"{{test-{secrets.token_hex(4)}}}"
    return ClockedRedis(redis_url, lease_s=3_600, archive=archive, root=root)


async def test_a_ledger_of_an_earlier_version_is_refused_in_words(redis_url: str) -> None:
    store = unopened(redis_url)
    await store._redis.xadd(store._key("ledger"), {"kind": "reserve"})
    with pytest.raises(InvalidRequest, match=r"an earlier version, .* another --data-dir"):
        await store.open()
    await store.close()


async def test_a_tombstone_is_small(redis_url: str, tmp_path: Path) -> None:
    """Measured with ids as the SDK makes them, against the record it takes the place of."""
    store = unopened(redis_url, Archive(Artifacts(str(tmp_path))))
    await store.turn(at("2026-11-21"))
    await store.set_budget("organisation:default", 10**9)
    (promotion,) = await made(store, 1)
    key = store._key
    with Redis.from_url(redis_url) as client:
        record = client.memory_usage(key("promotion", promotion.id), samples=0)
        events = client.memory_usage(key("events", promotion.id), samples=0)
        # As dense as a million: 16 in a bucket.
        before = client.memory_usage(key("bucket")) or 0
        for number in range(16):
            client.hset(key("bucket"), f"p-{number:024d}", str(1_000_000 + number))
        tombstone = (client.memory_usage(key("bucket"), samples=0) - before) / 16  # type: ignore[operator]
    await store.close()
    print(f"record {record} B, its events {events} B, tombstone {tombstone:.0f} B")
    assert tombstone <= MOST_TOMBSTONE_BYTES
    assert record > 10 * tombstone  # type: ignore[operator]


async def test_a_take_does_the_same_work_however_many_wait(redis_url: str) -> None:
    """Counted in commands of the server, none of which is a scan."""
    costs = []
    for waiting in (20, 1_500):
        store = unopened(redis_url)
        await store.turn(0)
        await store.open()
        await store.set_budget("organisation:default", 10**9)
        await asyncio.gather(
            *(promote(store, f"promotion-{number:05d}") for number in range(waiting))
        )
        await store.take("test", 1)
        before = await _commands(store)
        (lease,) = await store.take("test", 1)
        after = await _commands(store)
        assert lease.promotion.state is PromotionState.RUNNING
        costs.append(
            # The connection that listens for news may be opened in between.
            {
                name: calls - before.get(name, 0)
                for name, calls in after.items()
                if not name.startswith(("cmdstat_client", "cmdstat_subscribe"))
            }
        )
        await store.close()
    assert costs[0] == costs[1]
    assert not {"cmdstat_scan", "cmdstat_keys", "cmdstat_smembers"} & {
        name for name, calls in costs[1].items() if calls
    }


async def _commands(store: ClockedRedis) -> dict[str, int]:
    told = await store._redis.info("commandstats")
    return {name: values["calls"] for name, values in told.items() if name != "cmdstat_info"}
