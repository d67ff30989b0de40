"""`make soak`: the faults of tests/faults mixed, for as long as asked, and a verdict at the end.

Three orchestrators on one Redis; artists of several teams, each project with a small budget
of its own, promote, cancel, watch, retry and replay; meanwhile processes are killed and
stalled, connections are cut, replies are lost, the engine is slow, breaks and dies. The seed
fixes what is done in which order, not how the processes interleave.

`python -m benchmarks.soak --minutes 10 --seed 7` exits with 0 only if every promotion that was
acknowledged ended once, nothing was charged twice, no budget was exceeded after any entry of
the ledger, nothing is left unfinished and the ledger folds to the balances. It needs a
checkout: the processes and the questions are those of tests/faults.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from underpaint.contract.errors import (
    BudgetExceeded,
    DeadlineExceeded,
    PromotionConflict,
    Unavailable,
)
from underpaint.contract.promotion import Account
from underpaint.v1 import orchestrator_pb2 as pb

from tests.faults.books import Verdict, audit
from tests.faults.house import ROOT, SMALL, House, Orchestrator, script, small, until
from tests.faults.proxy import Proxy

OUT: Final = Path("bench-out")
ORCHESTRATORS: Final = 3
ARTISTS: Final = 8
TEAMS: Final = ("print", "web", "film")
PROJECT_USD_MICROS: Final = 400_000  # four reservations at once, and what was charged before
ZERO: Final = (
    "lost",
    "charged_twice",
    "budget_breaches",
    "unfinished_leases",
    "fold_mismatches",
    "missing_artifacts",
    "wrong_answers",
)
SCRIPTS: Final = ("reserve", "take", "renew", "record", "settle", "cancel", "retry", "release")
KEPT: Final = 20  # clients of killed orchestrators, for those who still wait for an answer
STOP_S: Final = 20.0
TELL_EVERY_S: Final = 5.0
NOT_NOW: Final = (Unavailable, DeadlineExceeded)

Fault = Callable[[random.Random], Coroutine[Any, Any, None]]


@dataclass
class Post:
    """An orchestrator, whichever it is now, and its way to Redis."""

    wire: Proxy
    at: Orchestrator


@dataclass
class Soak:
    """One run."""

    house: House
    seed: int
    seconds: float
    posts: list[Post] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    did: Counter[str] = field(default_factory=Counter)  # what artists did besides promoting
    wrong: list[str] = field(default_factory=list)  # answers that no fault excuses
    sent: dict[str, pb.PromotionRequest] = field(default_factory=dict)
    gone: list[Orchestrator] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> Verdict:
        """Does harm until the time is over, heals everything and asks for the verdict."""
        house = self.house
        await asyncio.gather(house.start_redis(), house.start_engine())
        house.orders.gpu_seconds.write_text("2")
        self.road = await house.between(house.engine_address)
        for _ in range(ORCHESTRATORS):
            wire = await house.between(house.socket)
            self.posts.append(Post(wire, await self._orchestrator(wire)))
        telling = asyncio.create_task(self._tell())
        parts = [*self._harms(), *(self._artist(number) for number in range(ARTISTS))]
        acting = [asyncio.create_task(part) for part in parts]
        try:
            await asyncio.wait(acting, timeout=self.seconds, return_when=asyncio.FIRST_EXCEPTION)
            self.over.set()
            ended = await asyncio.gather(*acting, return_exceptions=True)
            self.wrong += [repr(each) for each in ended if each is not None]
            await self._heal()
        finally:
            for each in (telling, *acting):
                each.cancel()
            await asyncio.gather(telling, *acting, return_exceptions=True)
        return await audit(house.url, house.data_folder, house.acknowledged)

    async def _orchestrator(self, wire: Proxy) -> Orchestrator:
        return await self.house.start(
            *("--default-budget-usd", "1000000", "--redis-wait-s", "600"),
            *("--checkpoint-every-s", "7", "--finished-kept-s", "30"),
            redis=wire,
            cloud=self.road.address,
        )

    async def _tell(self) -> None:
        began = time.monotonic()
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            seconds = time.monotonic() - began
            print(
                f"{seconds:5.0f} of {self.seconds:.0f} s: {self.faults.total()} faults, "
                f"{len(self.house.acknowledged)} promotions acknowledged, "
                f"{self.house.orders.wrote('made')} pictures drawn",
                flush=True,
            )

    # What artists do

    async def _artist(self, number: int) -> None:
        """Promotes one picture after another, and sometimes changes their mind."""
        dice = random.Random(f"{self.seed}/artist/{number}")
        door = functools.partial(self._door, dice)
        project, promoted = 0, 0
        while not self.over.is_set():
            account = Account(
                team=TEAMS[number % len(TEAMS)],
                project=f"p{number}-{project}",
                user=f"artist-{number}",
            )
            if not promoted:
                limit = functools.partial(self._limit, f"project:{account.project}")
                await self._insist(dice, limit)
            promotion_id = f"artist-{number}-{project}-{promoted}"
            picture = replace(SMALL, num_inference_steps=dice.randint(1, 8), seed=promoted)
            self.sent[promotion_id] = small(request=picture, account=account)
            try:
                await self.house.insist(door, promotion_id, self.sent[promotion_id])
            except BudgetExceeded:
                self.did["refused by a budget"] += 1
                project, promoted = project + 1, 0
                continue
            promoted += 1
            then = dice.choices(
                (self._go_on, self._cancel, self._watch, self._replay, self._contradict),
                (8, 3, 3, 2, 1),
            )[0]
            await self._insist(dice, functools.partial(then, promotion_id))

    def _door(self, dice: random.Random) -> Orchestrator:
        return dice.choice(self.posts).at

    async def _insist(
        self, dice: random.Random, call: Callable[[Orchestrator], Awaitable[None]]
    ) -> None:
        """Calls until some orchestrator answers."""
        while True:
            with suppress(*NOT_NOW):
                return await call(self._door(dice))
            await asyncio.sleep(0.05)

    async def _limit(self, scope: str, at: Orchestrator) -> None:
        await at.client.set_budget(scope, PROJECT_USD_MICROS)

    async def _go_on(self, promotion_id: str, at: Orchestrator) -> None:
        """To the next picture."""

    async def _cancel(self, promotion_id: str, at: Orchestrator) -> None:
        await at.client.cancel(promotion_id)
        self.did["cancelled"] += 1

    async def _replay(self, promotion_id: str, at: Orchestrator) -> None:
        """The same id and content, of long ago too: what is stored."""
        before = random.Random(promotion_id).choice(sorted(self.house.acknowledged))
        replayed = await at.client.promote(before, self.sent[before], quote_id="")
        self._expect(replayed.id == before, f"a replay of {before} gave {replayed.id}")
        self.did["replayed"] += 1

    async def _contradict(self, promotion_id: str, at: Orchestrator) -> None:
        """The same id and other content: a conflict."""
        try:
            await at.client.promote(promotion_id, small(account=Account(project="other")))
        except PromotionConflict:
            self.did["contradicted"] += 1
        else:
            self.wrong.append(f"{promotion_id} was taken for two contents")

    async def _watch(self, promotion_id: str, at: Orchestrator) -> None:
        """To the end, resumed at another door wherever it breaks: no gap, no repeat."""
        dice, seen, final = random.Random(promotion_id), [""], False
        while not final and not self.over.is_set():
            with suppress(*NOT_NOW):
                async for event in at.client.watch(promotion_id, seen[-1]):
                    seen.append(event.id)
                    final = event.state.final
            at = self._door(dice)
        if final:
            await self._insist(dice, functools.partial(self._watched, promotion_id, seen[1:]))

    async def _watched(self, promotion_id: str, seen: list[str], at: Orchestrator) -> None:
        """Compares with a look at all of it; of what is archived only the end is left."""
        kept = [event.id for event in await at.client.events(promotion_id)]
        whole = seen if len(kept) > 1 else seen[-1:]
        self._expect(whole == kept, f"of the events of {promotion_id}, {kept}, it saw {seen}")
        self.did["watched"] += 1

    def _expect(self, right: bool, otherwise: str) -> None:
        if not right:
            self.wrong.append(otherwise)

    # What is done to them

    async def _harm(self, faults: dict[Fault, int], rest_s: float) -> None:
        """One fault after another, each as often as its weight says."""
        dice = random.Random(f"{self.seed}/harm/{len(faults)}")
        while not self.over.is_set():
            await self._rest(dice.uniform(0.1, rest_s))
            fault = dice.choices(list(faults), list(faults.values()))[0]
            await fault(dice)
            self.faults[fault.__name__[1:].replace("_", " ")] += 1

    def _harms(self) -> list[Coroutine[Any, Any, None]]:
        """What may be done at the same time."""
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

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.over.wait()

    async def _replace(self, post: Post) -> None:
        post.at.kill()
        self.gone.append(post.at)
        post.at = await self._orchestrator(post.wire)
        if len(self.gone) > KEPT:  # nobody calls it any more
            await self.gone.pop(0).client.close()

    async def _kill_orchestrator(self, dice: random.Random) -> None:
        await self._replace(dice.choice(self.posts))

    async def _stop_orchestrator(self, dice: random.Random) -> None:
        """As asked to, with its work handed back, unless that takes too long."""
        post = dice.choice(self.posts)
        post.at.process.popen.terminate()
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(post.at.process.popen.wait, STOP_S)
        await self._replace(post)

    async def _kill_at_a_step(self, dice: random.Random) -> None:
        """Before a step of the ledger arrives, or before its answer does."""
        post = dice.choice(self.posts)
        trap = dice.choice((post.wire.hold, post.wire.lose_reply))(script(dice.choice(SCRIPTS)))
        with suppress(TimeoutError):
            async with asyncio.timeout(3):
                await trap.sprung.wait()
        await self._replace(post)
        post.wire.forget(trap)

    async def _lose_a_reply(self, dice: random.Random) -> None:
        post = dice.choice(self.posts)
        trap = post.wire.lose_reply(script(dice.choice(SCRIPTS)))
        with suppress(TimeoutError):
            async with asyncio.timeout(3):
                await trap.sprung.wait()
        post.wire.forget(trap)

    async def _stall_orchestrator(self, dice: random.Random) -> None:
        post = dice.choice(self.posts)
        post.at.process.stall()
        await self._rest(dice.uniform(0.5, 4))
        post.at.process.wake()

    async def _kill_redis(self, dice: random.Random) -> None:
        self.house.redis.kill()
        await self._rest(dice.uniform(0, 1))
        await self.house.start_redis()

    async def _stall_redis(self, dice: random.Random) -> None:
        self.house.redis.stall()
        await self._rest(dice.choices((0.5, 2, 9), (4, 3, 1))[0])
        self.house.redis.wake()

    async def _cut_redis(self, dice: random.Random) -> None:
        post = dice.choice(self.posts)
        post.wire.cut()
        await self._rest(dice.uniform(0.2, 4))
        post.wire.heal()

    async def _reset_redis(self, dice: random.Random) -> None:
        dice.choice(self.posts).wire.reset()

    async def _slow_redis(self, dice: random.Random) -> None:
        post = dice.choice(self.posts)
        post.wire.delay_s = 0.1
        await self._rest(dice.uniform(0.5, 3))
        post.wire.delay_s = 0

    async def _kill_engine(self, dice: random.Random) -> None:
        self.house.engine.kill()
        await self._rest(dice.uniform(0, 1))
        await self.house.start_engine()

    async def _break_engine(self, dice: random.Random) -> None:
        self.house.orders.fault.write_text(dice.choice(("out of memory", "busy")))
        await self._rest(dice.uniform(0.2, 1))
        self.house.orders.fault.unlink()

    async def _slow_engine(self, dice: random.Random) -> None:
        self.house.orders.step_s.write_text("0.3")
        await self._rest(dice.uniform(1, 4))
        self.house.orders.step_s.write_text("0.01")

    async def _cut_engine(self, dice: random.Random) -> None:
        self.road.cut()
        await self._rest(dice.uniform(0.2, 2))
        self.road.heal()

    async def _heal(self) -> None:
        """Everything in its place, until all that was promised has ended."""
        for post in self.posts:
            await self._replace(post)
        store = self.house.store
        await until(lambda: not store.zcard(f"{ROOT}:deadlines"), "all that is reserved has ended")


def told(soak: Soak, verdict: Verdict) -> dict[str, object]:
    """The verdict in numbers."""
    return {
        "seed": soak.seed,
        "seconds": round(soak.seconds),
        "acknowledged": verdict.acknowledged,
        "ended": dict(verdict.ended),
        "lost": len(verdict.lost),
        "charged_twice": len(verdict.twice),
        "budget_breaches": len(verdict.breaches),
        "unfinished_leases": len(verdict.unfinished),
        "fold_mismatches": len(verdict.mismatches),
        "missing_artifacts": len(verdict.artifacts),
        "wrong_answers": len(soak.wrong),
        "pictures_drawn": soak.house.orders.wrote("made"),
        "artists": dict(sorted(soak.did.items())),
        "faults": dict(sorted(soak.faults.items())),
        "details": [*soak.wrong, *verdict.details],
    }


async def soak_for(seconds: float, seed: int, folder: Path) -> dict[str, object]:
    """One soak in a folder, with everything stopped at its end."""
    house = House(folder)
    soak = Soak(house, seed, seconds)
    try:
        return told(soak, await soak.run())
    finally:
        await house.close()


def main() -> int:
    """Soaks, tells, and writes bench-out/soak.json; 0 if every promise was kept."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="underpaint-soak-") as folder:
        result = asyncio.run(soak_for(60 * given.minutes, given.seed, Path(folder)))
    OUT.mkdir(exist_ok=True)
    (OUT / "soak.json").write_text(json.dumps(result, indent=2) + "\n")
    table = Table(title=f"A soak of {given.minutes:g} minutes, seed {given.seed}")
    table.add_column("what")
    table.add_column("how many", justify="right")
    for name in ("acknowledged", "ended", *ZERO, "pictures_drawn", "artists", "faults"):
        value = result[name]
        rows = value.items() if isinstance(value, dict) else [(name.replace("_", " "), value)]
        for what, many in rows:
            table.add_row(str(what), str(many))
        if name in ("ended", ZERO[-1], "artists"):
            table.add_section()
    console = Console()
    console.print(table)
    kept = not any(result[name] for name in ZERO)
    details = result["details"]
    for detail in details[:20] if isinstance(details, list) else ():
        console.print(detail, markup=False, soft_wrap=True)
    console.print("every promise was kept" if kept else "PROMISES WERE BROKEN")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
