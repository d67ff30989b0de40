"""The Redis behind one address fails over to its replica."""

from __future__ import annotations

import asyncio

from underpaint.contract.promotion import PromotionState
from underpaint.sdk import AsyncUnderpaint

from tests.faults.house import QUOTED, House, until
from tests.faults.servers import Server
from tests.faults.verdict import check_the_ledger

NEVER = ("--redis-check-s", "86400")


async def pair(house: House) -> tuple[Server, Server]:
    """A Redis, and a replica that has all of it."""
    first, second = Server(house, house.folder / "first"), Server(house, house.folder / "second")
    await asyncio.gather(first.start(), second.start())
    second.store.replicaof("127.0.0.1", first.port)
    link = "master_link_status"
    await until(lambda: second.store.info("replication").get(link) == "up", "the replica is one")
    house.store, house.url = first.store, f"redis://{first.address}/0"
    return first, second


async def fail_over(house: House, first: Server, second: Server) -> None:
    """In good order: the second has every write before it is the one that takes them."""
    first.store.execute_command("FAILOVER", "TO", "127.0.0.1", second.port)
    await until(lambda: second.store.role()[0] == b"master", "the replica has taken over")
    await until(lambda: first.store.role()[0] == b"slave", "the old one is a replica")
    house.store, house.url = second.store, f"redis://{second.address}/0"


async def test_work_goes_on_at_the_new_one_although_the_old_still_answers(house: House) -> None:
    """The address leads new connections to the new server; the old one is a replica, and up.

    A promotion is at work meanwhile, and others come. Nobody tells the orchestrator.
    """
    first, second = await pair(house)
    address = await house.between(first.address)
    house.orders.hold.touch()
    orchestrator = await house.start(*NEVER, "--lease-s", "60", redis=address)
    await orchestrator.client.set_budget("organisation:default", 100 * QUOTED)
    await house.promote(orchestrator, "promotion-1")
    await house.began("promotion-1")
    await fail_over(house, first, second)
    address.target = second.address
    house.orders.hold.unlink()
    assert await house.ended("promotion-1") == b"settled"
    for number in range(2, 6):
        await house.insist(lambda: orchestrator, f"promotion-{number}")
    await check_the_ledger(house)
    assert house.orders.wrote("began", "promotion-1") == 1


async def test_who_only_reads_does_not_stay_at_the_old_one(house: House) -> None:
    """It is cut off from the new one, so that it answers and knows nothing new."""
    first, second = await pair(house)
    address = await house.between(first.address)
    quiet = await house.start("--redis-check-s", "1", "--concurrency", "0", redis=address)
    await house.promote(quiet, "promotion-1")
    # As artists watch: a stream that breaks is resumed where it broke.
    sdk = AsyncUnderpaint(orchestrator=quiet.client.address)
    watcher = sdk.watch("promotion-1")
    assert (await anext(watcher)).state is PromotionState.RESERVED
    await fail_over(house, first, second)
    first.store.replicaof("127.0.0.1", 1)  # where nobody is
    address.target = second.address
    await house.start(redis=await house.between(second.address))
    assert await house.ended("promotion-1") == b"settled"
    states = [event.state async for event in watcher]
    assert states[-1] is PromotionState.SETTLED
    await sdk.close()
    await check_the_ledger(house)
