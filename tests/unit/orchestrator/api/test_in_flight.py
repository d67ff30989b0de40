"""The accounts of bytes in flight: never above the budget, and given back on every path."""

from __future__ import annotations

import asyncio
import random

import pytest
from underpaint.contract.errors import EngineBusy, InvalidRequest
from underpaint.orchestrator.api import in_flight
from underpaint.orchestrator.api.in_flight import InFlight

PATIENCE_S = 60.0


async def holding(room: InFlight, caller: str, size: int, leave: asyncio.Event) -> None:
    async with room.hold(caller, size):
        await leave.wait()


async def turns() -> None:
    """Lets every task that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_any_mix_of_callers_stays_within_both_budgets_and_gives_all_back() -> None:
    """Some are cancelled while they wait, some while they hold, some fail, some time out."""
    rng = random.Random(11)
    room = InFlight(1_000, 400, wait_s=0.01)

    async def call(caller: str) -> None:
        size = rng.randint(1, 400)
        async with room.hold(caller, size):
            assert room.held <= 1_000
            assert room.held_by(caller) <= 400
            await asyncio.sleep(rng.random() / 200)
            if rng.random() < 0.2:
                raise ConnectionResetError

    seen = 0
    calls = []
    for _ in range(600):
        calls.append(asyncio.create_task(call(rng.choice("abcdef"))))
        if rng.random() < 0.3:
            rng.choice(calls).cancel()
        if rng.random() < 0.2:
            await asyncio.sleep(0)
        seen = max(seen, room.held)
    ended = await asyncio.gather(*calls, return_exceptions=True)
    kinds = {type(each) for each in ended}
    known = {type(None), EngineBusy, ConnectionResetError, asyncio.CancelledError}
    assert kinds == known, kinds - known
    assert 500 < seen <= 1_000
    assert room.held == 0
    async with room.hold("a", 400), room.hold("b", 400):
        assert room.held == 800


async def test_a_callers_own_share_is_no_hindrance_to_others() -> None:
    room, leave = InFlight(100, 40, wait_s=PATIENCE_S), asyncio.Event()
    first = asyncio.create_task(holding(room, "ana", 40, leave))
    second = asyncio.create_task(holding(room, "ana", 40, leave))
    other = asyncio.create_task(holding(room, "ben", 40, leave))
    await turns()
    assert (room.held_by("ana"), room.held_by("ben")) == (40, 40)
    leave.set()
    await asyncio.gather(first, second, other)
    assert room.held == 0


async def test_a_large_one_is_not_passed_by_small_ones_for_ever() -> None:
    room, leave, never = InFlight(100, 100, wait_s=PATIENCE_S), asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(holding(room, "ana", 60, leave))
    await turns()
    large = asyncio.create_task(holding(room, "ben", 80, never))
    await turns()
    small = asyncio.create_task(holding(room, "cal", 20, never))
    await turns()
    assert room.held == 60
    leave.set()
    await turns()
    assert (room.held_by("ben"), room.held_by("cal")) == (80, 20)
    for each in (large, small):
        each.cancel()
    await asyncio.gather(first, large, small, return_exceptions=True)
    assert room.held == 0


async def test_one_who_gives_up_lets_those_behind_go_on() -> None:
    room, never = InFlight(100, 100, wait_s=PATIENCE_S), asyncio.Event()
    tasks = [asyncio.create_task(holding(room, name, 60, never)) for name in ("ana", "ben")]
    await turns()
    tasks.append(asyncio.create_task(holding(room, "cal", 40, never)))
    await turns()
    assert room.held_by("cal") == 0
    tasks[1].cancel()
    await turns()
    assert room.held_by("cal") == 40
    for each in tasks:
        each.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert room.held == 0


async def test_cancelled_in_the_moment_it_is_granted_it_keeps_nothing() -> None:
    room, leave, never = InFlight(100, 100, wait_s=PATIENCE_S), asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(holding(room, "ana", 100, leave))
    await turns()
    second = asyncio.create_task(holding(room, "ben", 100, never))
    await turns()
    leave.set()
    await first
    assert room.held_by("ben") == 100  # granted; its task has not gone on yet
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert room.held == 0


async def test_what_has_no_room_is_refused_in_words_that_say_whose_limit_it_was() -> None:
    room, leave = InFlight(100, 60, wait_s=0), asyncio.Event()
    tasks = [asyncio.create_task(holding(room, name, 50, leave)) for name in ("ana", "ben")]
    await turns()
    with pytest.raises(EngineBusy, match=r"of this caller .* try again .* --in-flight-each-mib"):
        await holding(room, "ana", 50, leave)
    with pytest.raises(EngineBusy, match=r"of all callers .* try again .* --in-flight-mib"):
        await holding(room, "cal", 50, leave)
    with pytest.raises(InvalidRequest, match="61 bytes are more than the 60"):
        await holding(room, "cal", 61, leave)
    leave.set()
    await asyncio.gather(*tasks)
    assert room.held == 0


async def test_the_line_of_those_who_wait_is_bounded_and_no_caller_has_all_of_it() -> None:
    room, never = InFlight(100, 100, wait_s=PATIENCE_S), asyncio.Event()
    tasks = []

    async def taken(caller: str, times: int) -> int:
        """How many of so many calls are not refused at once."""
        more = [asyncio.create_task(holding(room, caller, 100, never)) for _ in range(times)]
        await turns()
        for each in more:
            assert not each.done() or isinstance(each.exception(), EngineBusy)
        tasks.extend(more)
        return sum(not each.done() for each in more)

    assert await taken("ana", 200) == 1 + in_flight.MOST_WAITING_EACH
    assert await taken("ben", 10) == 10
    left = in_flight.MOST_WAITING - in_flight.MOST_WAITING_EACH - 10
    assert await taken("cal", 50) == 50
    assert await taken("dan", 50) == left - 50
    for each in tasks:
        each.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert room.held == 0
