"""The simulated artists of a soak."""

from __future__ import annotations

import functools
import random
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from underpaint.contract.errors import BudgetExceeded, PromotionConflict
from underpaint.contract.promotion import Account

from benchmarks.soak.world import NOT_NOW, World
from tests.faults.house import SMALL, Orchestrator, small

ARTISTS: Final = 8
TEAMS: Final = ("print", "web", "film")
PROJECT_USD_MICROS: Final = 400_000  # four reservations at once, and what was charged before


@dataclass(frozen=True, slots=True)
class Artist:
    """One simulated artist of a team."""

    world: World
    number: int

    async def run(self) -> None:
        """Promotes one picture after another, and sometimes changes their mind."""
        number = self.number
        dice = random.Random(f"{self.world.seed}/artist/{number}")
        door = functools.partial(self.world.door, dice)
        project, promoted = 0, 0
        while not self.world.over.is_set():
            account = Account(
                team=TEAMS[number % len(TEAMS)],
                project=f"p{number}-{project}",
                user=f"artist-{number}",
            )
            if not promoted:
                limit = functools.partial(self._limit, f"project:{account.team}/{account.project}")
                await self.world.insist(dice, limit)
            promotion_id = f"artist-{number}-{project}-{promoted}"
            picture = replace(SMALL, num_inference_steps=dice.randint(1, 8), seed=promoted)
            self.world.sent[promotion_id] = small(request=picture, account=account)
            try:
                await self.world.house.insist(door, promotion_id, self.world.sent[promotion_id])
            except BudgetExceeded:
                self.world.did["refused by a budget"] += 1
                project, promoted = project + 1, 0
                continue
            promoted += 1
            then = dice.choices(
                (self._go_on, self._cancel, self._watch, self._replay, self._contradict),
                (8, 3, 3, 2, 1),
            )[0]
            await self.world.insist(dice, functools.partial(then, promotion_id))

    async def _limit(self, scope: str, at: Orchestrator) -> None:
        await at.client.set_budget(scope, PROJECT_USD_MICROS)

    async def _go_on(self, promotion_id: str, at: Orchestrator) -> None:
        """Starts the next picture."""

    async def _cancel(self, promotion_id: str, at: Orchestrator) -> None:
        await at.client.cancel(promotion_id)
        self.world.did["cancelled"] += 1

    async def _replay(self, promotion_id: str, at: Orchestrator) -> None:
        """Promotes an earlier id with the same content: the stored promotion must come back."""
        before = random.Random(promotion_id).choice(sorted(self.world.house.acknowledged))
        replayed = await at.client.promote(before, self.world.sent[before], quote_id="")
        self.world.expect(replayed.id == before, f"a replay of {before} gave {replayed.id}")
        self.world.did["replayed"] += 1

    async def _contradict(self, promotion_id: str, at: Orchestrator) -> None:
        """Promotes an earlier id with other content: it must be a conflict."""
        try:
            await at.client.promote(promotion_id, small(account=Account(project="other")))
        except PromotionConflict:
            self.world.did["contradicted"] += 1
        else:
            self.world.wrong.append(f"{promotion_id} was taken for two contents")

    async def _watch(self, promotion_id: str, at: Orchestrator) -> None:
        """Watches to the end, resuming elsewhere: no event may be missing or repeated."""
        dice, seen, final = random.Random(promotion_id), [""], False
        while not final and not self.world.over.is_set():
            with suppress(*NOT_NOW):
                async for event in at.client.watch(promotion_id, seen[-1]):
                    seen.append(event.id)
                    final = event.state.final
            at = self.world.door(dice)
        if final:
            await self.world.insist(dice, functools.partial(self._watched, promotion_id, seen[1:]))

    async def _watched(self, promotion_id: str, seen: list[str], at: Orchestrator) -> None:
        """Compares with all stored events; an archived promotion has only its final event."""
        kept = [event.id for event in await at.client.events(promotion_id)]
        whole = seen if len(kept) > 1 else seen[-1:]
        self.world.expect(whole == kept, f"of the events of {promotion_id}, {kept}, it saw {seen}")
        self.world.did["watched"] += 1
