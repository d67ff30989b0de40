"""The processes of a soak, the requests that were sent to them and the results."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from underpaint.contract.errors import DeadlineExceeded, Unavailable
from underpaint.v1 import orchestrator_pb2 as pb

from tests.faults.house import ROOT, House, Orchestrator, until
from tests.faults.proxy import Proxy

ORCHESTRATORS: Final = 3
KEPT: Final = 20  # clients of killed orchestrators, for those who still wait for an answer
NOT_NOW: Final = (Unavailable, DeadlineExceeded)


@dataclass
class Post:
    """One orchestrator, which may be replaced, and its proxy to Redis."""

    wire: Proxy
    at: Orchestrator


@dataclass
class World:
    """The state of one soak."""

    house: House
    seed: int
    posts: list[Post] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    did: Counter[str] = field(default_factory=Counter)  # what artists did besides promoting
    wrong: list[str] = field(default_factory=list)  # answers that no fault excuses
    sent: dict[str, pb.PromotionRequest] = field(default_factory=dict)
    gone: list[Orchestrator] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """Starts Redis, the engine and the orchestrators."""
        house = self.house
        await asyncio.gather(house.start_redis(), house.start_engine())
        house.orders.gpu_seconds.write_text("2")
        self.road = await house.between(house.engine_address)
        for _ in range(ORCHESTRATORS):
            wire = await house.between(house.socket)
            self.posts.append(Post(wire, await self._orchestrator(wire)))

    def door(self, dice: random.Random) -> Orchestrator:
        """One of the orchestrators, chosen at random."""
        return dice.choice(self.posts).at

    async def insist(
        self, dice: random.Random, call: Callable[[Orchestrator], Awaitable[None]]
    ) -> None:
        """Repeats a call until some orchestrator answers."""
        while True:
            with suppress(*NOT_NOW):
                return await call(self.door(dice))
            await asyncio.sleep(0.05)

    def expect(self, right: bool, otherwise: str) -> None:
        """Notes an answer if it is wrong."""
        if not right:
            self.wrong.append(otherwise)

    async def rest(self, seconds: float) -> None:
        """Waits, but not after the end of the soak."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.over.wait()

    async def replace(self, post: Post) -> None:
        """Kills an orchestrator and starts another in its place."""
        post.at.kill()
        self.gone.append(post.at)
        post.at = await self._orchestrator(post.wire)
        if len(self.gone) > KEPT:  # nobody calls it any more
            await self.gone.pop(0).client.close()

    async def heal(self) -> None:
        """Repairs everything and waits until all promotions have ended."""
        for post in self.posts:
            await self.replace(post)
        store = self.house.store
        await until(lambda: not store.zcard(f"{ROOT}:deadlines"), "all that is reserved has ended")

    async def _orchestrator(self, wire: Proxy) -> Orchestrator:
        return await self.house.start(
            *("--default-budget-usd", "1000000", "--redis-wait-s", "600"),
            *("--checkpoint-every-s", "7", "--finished-kept-s", "30"),
            redis=wire,
            cloud=self.road.address,
        )
