"""What Redis publishes is lost on its way, and the connection seems to be well."""

from __future__ import annotations

import asyncio

from underpaint.contract.promotion import PromotionState

from tests.faults.house import House, sprung, until
from tests.faults.verdict import check_the_ledger


def looks(house: House) -> int:
    """How often somebody has looked for news of promotions that are watched."""
    asked: dict[str, int] = house.store.info("commandstats").get("cmdstat_hmget", {})
    return asked.get("calls", 0)


async def test_what_is_published_and_lost_is_found_by_looking(house: House) -> None:
    """A cancel reaches the worker, and its end the watcher, through another orchestrator."""
    wire = await house.between(house.socket)
    lost = wire.lose_reply(b"SUBSCRIBE")
    house.orders.hold.touch()
    deaf = await house.start("--lease-s", "600", redis=wire)
    await sprung(lost.sprung)
    door = await house.start("--concurrency", "0")
    await house.promote(deaf, "promotion-1")
    await house.began("promotion-1")
    watching = asyncio.create_task(deaf.client.events("promotion-1"))
    # Only what changes from now on tells it anything.
    seen = looks(house) + 2
    await until(lambda: looks(house) >= seen, "it has looked")
    await door.client.cancel("promotion-1")
    await until(lambda: house.orders.wrote("dropped", "promotion-1"), "the engine is stopped")
    assert (await watching)[-1].state is PromotionState.RELEASED
    house.orders.hold.unlink()
    await check_the_ledger(house)
