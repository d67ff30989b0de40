"""Watchers that wait cost Redis next to nothing, however many they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis import Redis
from underpaint.contract.promotion import PromotionState
from underpaint.orchestrator.settings import Settings

from tests.integration.orchestrator.client import PATIENCE_S, Client

WATCHERS, WATCHED, LOOKS = 300, 60, 3
# Of one look: itself, and what health and the dispatcher ask in the same second, all told.
MOST_COMMANDS = 20


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Nothing is taken, so that all promotions wait."""
    return settings.model_copy(update={"concurrency": 0})


@pytest.fixture
async def redis(clean_redis: str) -> AsyncIterator[Any]:
    with Redis.from_url(clean_redis) as asked:
        yield asked


def calls(redis: Any) -> dict[str, int]:
    """How often each command was executed, in scripts too; not those of this test."""
    stats = redis.info("commandstats")
    counted = {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()}
    return {
        name: many for name, many in counted.items() if name not in ("info", "config|resetstat")
    }


async def looked(redis: Any, times: int) -> None:
    """Waits until the orchestrator has looked so many times more."""
    enough = calls(redis).get("hmget", 0) + times
    async with asyncio.timeout(PATIENCE_S):
        while calls(redis).get("hmget", 0) < enough:  # noqa: ASYNC110 -- in another process
            await asyncio.sleep(0.05)


async def test_three_hundred_idle_watchers_cost_one_command_a_look(
    client: Client, redis: Any
) -> None:
    ids = [f"promotion-{number:02d}" for number in range(WATCHED)]
    for promotion_id in ids:
        await client.promote(promotion_id)
    watchers = [client.watch(ids[number % WATCHED]) for number in range(WATCHERS)]
    for watcher in watchers:
        assert (await anext(watcher)).state is PromotionState.RESERVED
    await looked(redis, 2)  # what was not looked at before is looked at by its watchers, once
    redis.config_resetstat()
    await looked(redis, LOOKS)
    counted = calls(redis)
    assert {"xrange", "hgetall", "hget"} & counted.keys() == set()
    assert sum(counted.values()) <= LOOKS * MOST_COMMANDS, counted

    for promotion_id in ids:
        await client.cancel(promotion_id)
    for watcher in watchers:
        assert [event.state async for event in watcher] == [PromotionState.RELEASED]
    assert not redis.exists("{underpaint}:news")
