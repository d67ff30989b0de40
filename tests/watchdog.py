"""Tells how long work holds the event loop at a stretch: nothing may for more than 50 ms.

    async def test_a_replay_leaves_the_loop_to_others() -> None:
        await assert_loop_is_free(lambda: service.replay(text, since))

What is measured is the wall clock, so that waiting for a disk or for a thread that keeps the
interpreter counts as well as calculating. A busy machine makes gaps that are not the work's:
so the work is done again if a gap was too long, and only its best time counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")

MOST_S: Final = 0.05
TICK_S: Final = 0.005
TRIES: Final = 5


async def longest_hold(work: Awaitable[T]) -> tuple[float, T]:
    """Seconds that the loop was held at a stretch while some work went on, and its result."""
    loop = asyncio.get_running_loop()
    longest, last, over = 0.0, loop.time(), False

    def tick() -> None:
        nonlocal longest, last
        now = loop.time()
        longest, last = max(longest, now - last - TICK_S), now
        if not over:
            loop.call_later(TICK_S, tick)

    loop.call_later(TICK_S, tick)
    try:
        result = await work
    finally:
        over = True
    # The last stretch ended with the work: no tick came after it.
    return max(longest, loop.time() - last - TICK_S), result


async def assert_loop_is_free(
    work: Callable[[], Awaitable[T]], most_s: float = MOST_S, tries: int = TRIES
) -> T:
    """Fails if the work holds the loop for longer than `most_s` each time it is tried.

    Args:
        work: starts it; may be called several times.
        most_s: seconds at a stretch.
        tries: how often at most.

    Returns:
        The work's result.
    """
    holds: list[float] = []
    for _ in range(tries):
        held_s, result = await longest_hold(work())
        if held_s <= most_s:
            return result
        holds.append(held_s)
    raise AssertionError(
        f"the event loop was held for {min(holds) * 1e3:.0f} ms at a stretch in the best of "
        f"{tries} tries; at most {most_s * 1e3:.0f} ms are allowed"
    )
