"""The faults that are caused while artists work."""

from __future__ import annotations

import asyncio
import random
import subprocess
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.soak.world import World
from tests.faults.house import script

SCRIPTS: Final = ("reserve", "take", "renew", "record", "settle", "cancel", "retry", "release")
STOP_S: Final = 20.0

Fault = Callable[[random.Random], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Harms:
    """Kills, stalls, cuts and slows processes, each as often as its weight says."""

    world: World

    async def _harm(self, faults: dict[Fault, int], rest_s: float) -> None:
        """Causes one fault after another, each as often as its weight says."""
        dice = random.Random(f"{self.world.seed}/harm/{len(faults)}")
        while not self.world.over.is_set():
            await self.world.rest(dice.uniform(0.1, rest_s))
            fault = dice.choices(list(faults), list(faults.values()))[0]
            await fault(dice)
            self.world.faults[fault.__name__[1:].replace("_", " ")] += 1

    def run(self) -> list[Coroutine[Any, Any, None]]:
        """Causes the faults that may happen at the same time."""
        to_redis: dict[Fault, int] = {
            self._kill_redis: 3,
            self._stall_redis: 2,
        }
        to_all_else: dict[Fault, int] = {
            self._kill_orchestrator: 4,
            self._stop_orchestrator: 2,
            self._kill_at_a_step: 4,
            self._lose_a_reply: 6,
            self._stall_orchestrator: 3,
            self._cut_redis: 3,
            self._reset_redis: 4,
            self._slow_redis: 2,
            self._kill_engine: 3,
            self._break_engine: 3,
            self._slow_engine: 3,
            self._cut_engine: 2,
        }
        return [self._harm(to_redis, rest_s=8), self._harm(to_all_else, rest_s=1.5)]

    async def _kill_orchestrator(self, dice: random.Random) -> None:
        await self.world.replace(dice.choice(self.world.posts))

    async def _stop_orchestrator(self, dice: random.Random) -> None:
        """Stops an orchestrator gracefully, unless that takes too long."""
        post = dice.choice(self.world.posts)
        post.at.process.popen.terminate()
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(post.at.process.popen.wait, STOP_S)
        await self.world.replace(post)

    async def _kill_at_a_step(self, dice: random.Random) -> None:
        """Kills it before a command reaches the ledger, or before the answer comes back."""
        post = dice.choice(self.world.posts)
        trap = dice.choice((post.wire.hold, post.wire.lose_reply))(script(dice.choice(SCRIPTS)))
        with suppress(TimeoutError):
            async with asyncio.timeout(3):
                await trap.sprung.wait()
        await self.world.replace(post)
        post.wire.forget(trap)

    async def _lose_a_reply(self, dice: random.Random) -> None:
        post = dice.choice(self.world.posts)
        trap = post.wire.lose_reply(script(dice.choice(SCRIPTS)))
        with suppress(TimeoutError):
            async with asyncio.timeout(3):
                await trap.sprung.wait()
        post.wire.forget(trap)

    async def _stall_orchestrator(self, dice: random.Random) -> None:
        post = dice.choice(self.world.posts)
        post.at.process.stall()
        await self.world.rest(dice.uniform(0.5, 4))
        post.at.process.wake()

    async def _kill_redis(self, dice: random.Random) -> None:
        self.world.house.redis.kill()
        await self.world.rest(dice.uniform(0, 1))
        await self.world.house.start_redis()

    async def _stall_redis(self, dice: random.Random) -> None:
        self.world.house.redis.stall()
        await self.world.rest(dice.choices((0.5, 2, 9), (4, 3, 1))[0])
        self.world.house.redis.wake()

    async def _cut_redis(self, dice: random.Random) -> None:
        post = dice.choice(self.world.posts)
        post.wire.cut()
        await self.world.rest(dice.uniform(0.2, 4))
        post.wire.heal()

    async def _reset_redis(self, dice: random.Random) -> None:
        dice.choice(self.world.posts).wire.reset()

    async def _slow_redis(self, dice: random.Random) -> None:
        post = dice.choice(self.world.posts)
        post.wire.delay_s = 0.1
        await self.world.rest(dice.uniform(0.5, 3))
        post.wire.delay_s = 0

    async def _kill_engine(self, dice: random.Random) -> None:
        self.world.house.engine.kill()
        await self.world.rest(dice.uniform(0, 1))
        await self.world.house.start_engine()

    async def _break_engine(self, dice: random.Random) -> None:
        self.world.house.orders.fault.write_text(dice.choice(("out of memory", "busy")))
        await self.world.rest(dice.uniform(0.2, 1))
        self.world.house.orders.fault.unlink()

    async def _slow_engine(self, dice: random.Random) -> None:
        self.world.house.orders.step_s.write_text("0.3")
        await self.world.rest(dice.uniform(1, 4))
        self.world.house.orders.step_s.write_text("0.01")

    async def _cut_engine(self, dice: random.Random) -> None:
        self.world.road.cut()
        await self.world.rest(dice.uniform(0.2, 2))
        self.world.road.heal()
