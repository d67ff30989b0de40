"""The watchdog of the event loop: tests rely on it, so it is tried itself."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.watchdog import assert_loop_is_free, longest_hold


async def held(seconds: float) -> str:
    await asyncio.sleep(0.02)
    time.sleep(seconds)  # noqa: ASYNC251 -- this is what it must notice
    await asyncio.sleep(0.02)
    return "done"


async def test_it_sees_a_hold_in_the_middle_and_one_at_the_very_end() -> None:
    seconds, result = await longest_hold(held(0.2))
    assert seconds > 0.19
    assert result == "done"

    async def at_once() -> None:
        time.sleep(0.2)  # noqa: ASYNC251 -- this is what it must notice

    seconds, _ = await longest_hold(at_once())
    assert seconds > 0.19


async def test_work_that_only_waits_passes_and_work_that_holds_does_not() -> None:
    await assert_loop_is_free(lambda: asyncio.sleep(0.2))
    await assert_loop_is_free(lambda: asyncio.to_thread(time.sleep, 0.2))
    with pytest.raises(AssertionError, match="best of 2 tries; at most 50 ms"):
        await assert_loop_is_free(lambda: held(0.1), tries=2)


async def test_one_try_without_a_hold_is_enough() -> None:
    seconds = iter([0.2, 0.2, 0.0])
    assert await assert_loop_is_free(lambda: held(next(seconds)), tries=3) == "done"
