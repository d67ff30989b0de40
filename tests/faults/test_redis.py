"""Redis is killed, stalled and cut off, and its replies are lost."""

from __future__ import annotations

import asyncio
import functools
import itertools

import pytest
from underpaint.contract.errors import LedgerUnavailable, UnderpaintError

from tests.faults.house import (
    FINAL,
    PATIENCE_S,
    QUOTED,
    House,
    charge,
    script,
    small,
    sprung,
    until,
)
from tests.faults.verdict import check_the_ledger

KILLS = 4
MORE_BETWEEN = 6  # acknowledged between one kill and the next


async def test_07_every_acknowledged_write_survives_kills_of_redis_under_load(house: House) -> None:
    """Killed (-9) again and again under clients that promote and two that carry it out."""
    doors = [await house.start(), await house.start()]
    await doors[0].client.set_budget("organisation:default", 1_000 * QUOTED)
    turns, stop = itertools.cycle(doors), asyncio.Event()

    async def artist(name: int) -> None:
        number = 0
        while not stop.is_set():
            await house.insist(lambda: next(turns), f"artist-{name}-{number}")
            number += 1

    artists = [asyncio.create_task(artist(name)) for name in range(4)]
    try:
        for kill in range(1, KILLS + 1):
            enough = functools.partial(_are, house.acknowledged, kill * MORE_BETWEEN)
            await until(enough, "more is acknowledged")
            house.redis.kill()
            owed = set(house.acknowledged)
            await house.start_redis()
            assert {each for each in owed if not house.field(each, "state")} == set()
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*artists)
    await check_the_ledger(house)


async def test_07_killed_in_mid_polish_it_wastes_no_polish(house: House) -> None:
    """The worker holds on to what the engine makes until Redis is back."""
    house.orders.hold.touch()
    orchestrator = await house.start("--lease-s", "60")
    await house.promote(orchestrator, "promotion-1")
    await house.began("promotion-1")
    house.redis.kill()
    house.orders.hold.unlink()
    await until(lambda: house.orders.wrote("made"), "the picture is made")
    await house.start_redis()
    assert await house.ended("promotion-1") == b"settled"
    assert (await orchestrator.client.get("promotion-1")).attempts == 1
    assert house.orders.wrote("began") == 1
    await check_the_ledger(house)


async def test_08_nothing_is_applied_twice_by_a_stall(house: House) -> None:
    """Stalled (SIGSTOP) for longer than anybody waits, over 7 s, with writes on their way.

    A settling and a reserving step are in its socket when it stalls. Both callers give up;
    it wakes, executes them, and both are tried again.
    """
    worker_wire, door_wire = [await house.between(house.socket) for _ in range(2)]
    await house.start("--lease-s", "60", redis=worker_wire)
    door = await house.start("--concurrency", "0", redis=door_wire)
    quote = await door.client.quote(small())
    settling = worker_wire.hold(script("settle"))
    await house.promote(door, "promotion-1")
    await sprung(settling.sprung)
    reserving = door_wire.hold(script("reserve"))
    promoting = asyncio.create_task(door.client.promote("promotion-2", small(), quote_id=quote.id))
    await sprung(reserving.sprung)
    house.redis.stall()
    settling.let_go()
    reserving.let_go()
    with pytest.raises(LedgerUnavailable):
        await promoting
    house.redis.wake()
    await house.promote(door, "promotion-2", quote_id=quote.id)
    await check_the_ledger(house)
    assert await door.client.budgets() == {"organisation:default": (0, charge(1) + charge(2))}


async def test_09_a_retry_after_a_lost_reply_returns_what_is_stored(house: House) -> None:
    """Lost on the way to the orchestrator, to the client, and to the worker.

    And only late: a retry through another door has overtaken it.
    """
    wire = await house.between(house.socket)
    orchestrator = await house.start("--lease-s", "60", redis=wire)
    door = await house.between(orchestrator.client.address)
    outside = house.client(door.address)
    quote, second, third = [await outside.quote(small()) for _ in range(3)]

    from_redis = wire.lose_reply(script("reserve"))
    promoting = asyncio.create_task(outside.promote("promotion-1", small(), quote_id=quote.id))
    await sprung(from_redis.sprung)
    await until(lambda: house.field("promotion-1", "state"), "the first is reserved")
    from_redis.reset()
    with pytest.raises(LedgerUnavailable):
        await promoting
    stored = await house.promote(orchestrator, "promotion-1", quote_id=quote.id)
    assert stored.quote == quote

    to_client = door.lose_reply(b"promotion-2")
    promoting = asyncio.create_task(outside.promote("promotion-2", small(), quote_id=second.id))
    await until(lambda: house.field("promotion-2", "state"), "the second is reserved")
    to_client.reset()
    with pytest.raises(UnderpaintError):
        await promoting
    assert (await outside.promote("promotion-2", small(), quote_id=second.id)).quote == second
    house.acknowledged.add("promotion-2")
    await house.ended("promotion-2")

    another = await house.start("--concurrency", "0")
    overtaken = wire.hold(script("reserve"))
    promoting = asyncio.create_task(outside.promote("promotion-3", small(), quote_id=third.id))
    await sprung(overtaken.sprung)
    first = await house.promote(another, "promotion-3", quote_id=third.id)
    overtaken.let_go()
    assert (await promoting).created_at == first.created_at
    await house.ended("promotion-3")

    to_worker = wire.lose_reply(script("settle"))
    await house.promote(orchestrator, "promotion-4")
    await sprung(to_worker.sprung)
    assert await house.ended("promotion-4") == b"settled"
    to_worker.reset()
    await until(lambda: "or has ended" in orchestrator.process.said, "the worker has tried again")
    await check_the_ledger(house)
    spent = sum(charge(number) for number in (1, 2, 3, 4))
    assert await orchestrator.client.budgets() == {"organisation:default": (0, spent)}


async def test_19_cut_off_from_redis_it_fails_closed(house: House) -> None:
    """No cloud work without a reservation: neither new, nor asked for in the very moment."""
    wire = await house.between(house.socket)
    orchestrator = await house.start(redis=wire)
    quote = await orchestrator.client.quote(small())
    reserving = wire.hold(script("reserve"))
    promoting = asyncio.create_task(
        orchestrator.client.promote("promotion-1", small(), quote_id=quote.id)
    )
    await sprung(reserving.sprung)
    wire.cut()
    for call in (
        promoting,
        orchestrator.client.quote(small()),
        orchestrator.client.promote("promotion-2", small(), quote_id=quote.id),
        orchestrator.client.get("promotion-1"),
    ):
        with pytest.raises(LedgerUnavailable, match="out of reach"):
            await call
    assert house.orders.wrote("began") == 0
    assert not any(house.field(f"promotion-{number}", "state") for number in (1, 2))
    wire.heal()
    await house.insist(lambda: orchestrator, "promotion-2")
    assert await house.ended("promotion-2") in FINAL
    assert house.orders.wrote("began") == house.orders.wrote("began", "promotion-2") == 1
    await check_the_ledger(house)


def _are(things: set[str], many: int) -> bool:
    return len(things) >= many
