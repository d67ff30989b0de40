"""Audits the ledger: verifies the balances, makes checkpoints, trims and reads the entries.

An audit must not block Redis or this process, and money moves while it runs. So the balances are
compared in parts: each part is read at one moment, and compared with the sums of the entries up
to that moment. The chain of checkpoints holds every older entry, and only entries in it are
trimmed from the store. Several orchestrators may do this side by side: a checkpoint is kept only
if it replaces the one it was made from.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from underpaint.contract.accounting import LedgerEntry, Verification
from underpaint.contract.errors import (
    InvalidRequest,
    LedgerFrozen,
    LedgerUnavailable,
)
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.ledger.checkpoints import AT_ONCE, Checkpoints, dump
from underpaint.orchestrator.ledger.closed import ClosedDays
from underpaint.orchestrator.ledger.replay import LedgerReplay
from underpaint.orchestrator.ledger.store import (
    CAMPAIGN,
    EVER,
    Balances,
    Campaign,
    Cell,
    Checkpoint,
    Closing,
    LedgerStore,
    Names,
    order,
)
from underpaint.orchestrator.ledger.sums import DaysSpend, cell_name
from underpaint.orchestrator.repeating import repeat

log = logging.getLogger(__name__)

TRIES: Final = 10  # attempts while the ledger changes, before giving up
MOST_TOLD: Final = 20  # mismatches in one answer
MOST_FOUND: Final = 100
MENDED_AT_ONCE: Final = 200


@dataclass(slots=True, kw_only=True)
class _Audit:
    """One audit: the replay of the entries so far, and the balances compared with it so far."""

    checkpoint: Checkpoint | None
    replay: LedgerReplay
    fresh: list[bytes] = field(default_factory=list)  # entries since the checkpoint, in batches
    entries: int = 0  # number of entries since the checkpoint
    amounts: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    spend: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    reservations: set[str] = field(default_factory=set)
    campaigns: set[Campaign] = field(default_factory=set)
    number: int = 0
    today: str = ""
    over: str = ""
    found: dict[str, None] = field(default_factory=dict)  # differences in words, without repeats
    wrong: list[tuple[str, str]] = field(default_factory=list)  # scope and window of wrong amounts
    wrong_cells: list[Cell] = field(default_factory=list)

    @property
    def mismatches(self) -> list[str]:
        return [*self.replay.problems, *self.found]

    def add(self, entries: list[LedgerEntry]) -> None:
        for entry in entries:
            self.replay.add(entry)
        self.fresh.append(dump(entries))
        self.entries += len(entries)

    def compare(self, part: Balances) -> None:
        for line, names in self.replay.differences(part):
            self.wrong += names.amounts
            self.wrong_cells += names.spend
            if len(self.found) < MOST_FOUND:
                self.found[line] = None
        for scope, window in part.amounts:
            self.amounts[window].add(scope)
        for day, scopes, model in (each.cell for each in part.spend):
            self.spend[day].add(cell_name(scopes, model))
        self.reservations.update(name for name, held in part.open.items() if held)
        self.campaigns.update((scope, *days) for scope, days in part.campaigns.items())
        self.number, self.today, self.over = part.number, part.today, part.over

    def check(self, number: int) -> None:
        """Raises LedgerFrozen if entries up to a number are missing or contradict each other."""
        problems = list(self.replay.problems)
        if self.replay.number != number:
            problems.append(f"entries {self.replay.number + 1} to {number} are missing")
        if problems:
            raise LedgerFrozen(f"the balances cannot be rebuilt from the entries: {problems[0]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Auditor:
    """Verifies, checkpoints, thaws and reads the ledger."""

    store: LedgerStore
    artifacts: Artifacts

    async def verify(self) -> Verification:
        """Compares every balance with the sums of the entries.

        A difference freezes spending and is logged as an alarm.

        Raises:
            LedgerUnavailable: the ledger or a checkpoint cannot be read.
        """
        return await self._verdict(await self._audit())

    async def checkpoint(self) -> Verification:
        """Verifies and, without mismatches, stores a checkpoint and trims the entries in it.

        Past days without open reservations are closed; see `ledger.store`.

        Raises:
            LedgerUnavailable, ServiceUnreachable: not possible now; try again later.
        """
        audit = await self._audit()
        verdict = await self._verdict(audit)
        if verdict.mismatches or not audit.entries:
            return verdict
        closing = await self._close(audit)
        before = audit.checkpoint
        kept = await Checkpoints(self.artifacts).put(audit.replay, audit.fresh, before)
        if await self.store.keep_checkpoint(kept, before, closing):
            await self.store.trim()
            log.info("checkpoint of the ledger at entry %d", kept.number)
        return verdict

    async def thaw(self, because: str, *, rebuild: bool) -> str:
        """Allows spending again.

        Args:
            because: why it is safe; recorded in the ledger.
            rebuild: whether to set the balances to the sums of the entries first.

        Returns:
            Why spending was frozen; "" if it was not.

        Raises:
            InvalidRequest: the reason is empty or too long.
            LedgerFrozen: entries are missing or contradict each other, so that the balances
                cannot be rebuilt.
        """
        because = " ".join(because.split())
        if not 0 < len(because) <= 500:
            raise InvalidRequest("say why it is safe to spend again, in up to 500 characters")
        if rebuild:
            await self._rebuild()
        reason = await self.store.thaw(because)
        if reason:
            log.warning("spending is allowed again: %s", because)
        return reason

    async def read(self, since_day: str) -> AsyncIterator[list[LedgerEntry]]:
        """Every entry made on `since_day` (UTC) or later, in order, including trimmed ones.

        Raises:
            LedgerUnavailable: the ledger or a checkpoint cannot be read.
        """
        async for batch in self._all():
            if batch[-1].at.date().isoformat() >= since_day:
                yield [entry for entry in batch if entry.at.date().isoformat() >= since_day]

    async def run(self, every_s: float) -> None:
        """Makes a checkpoint every `every_s` seconds, for ever."""
        failed = "a checkpoint of the ledger could not be made"
        await repeat(self.checkpoint, every_s, failed, log)

    async def _verdict(self, audit: _Audit) -> Verification:
        mismatches = audit.mismatches
        if mismatches:
            await self.store.freeze(f"the ledger does not add up: {mismatches[0]}")
        frozen = await self.store.frozen()
        if frozen:
            log.critical("ALARM: spending is frozen: %s", frozen)
        return Verification(
            entries=audit.entries,
            number=audit.number,
            checkpoint_number=audit.checkpoint.number if audit.checkpoint else 0,
            balances=sum(map(len, audit.amounts.values())),
            reservations=len(audit.replay.open),
            mismatches=tuple(mismatches[:MOST_TOLD]),
            frozen=frozen,
        )

    async def _audit(self) -> _Audit:
        """Compares all balances; starts over if another checkpoint was stored meanwhile."""
        for _ in range(TRIES):
            checkpoint = await self.store.checkpoint()
            replay = await Checkpoints(self.artifacts).replay(checkpoint)
            audit = _Audit(checkpoint=checkpoint, replay=replay)
            await self._catch_up(audit, until=None)
            async with aclosing(self._parts(audit)) as parts:
                async for part in parts:
                    await self._catch_up(audit, until=part.entry)
                    await self._learn(audit, part)
                    audit.compare(part)
                    if audit.mismatches and await self.store.checkpoint() != checkpoint:
                        break
                    await asyncio.sleep(
                        0
                    )  # lets other coroutines run, even if the store never waits
                else:
                    return audit
        raise LedgerUnavailable("other checkpoints were made during the audit; try again")

    async def _parts(self, audit: _Audit) -> AsyncGenerator[Balances]:
        """All balances in the store, then those that the entries demand but the store lacks."""
        async with aclosing(self.store.parts()) as parts:
            async for part in parts:
                yield part
        for names in audit.replay.unseen(audit.amounts, audit.spend, audit.reservations):
            yield await self.store.look(names)

    async def _catch_up(self, audit: _Audit, until: str | None) -> None:
        """Replays the entries up to `until`, or all that there are."""
        while until is None or order(audit.replay.entry) < order(until):
            batch = list(await self.store.entries(audit.replay.entry, AT_ONCE))
            full = len(batch) == AT_ONCE
            if until is not None and batch and order(batch[-1].id) > order(until):
                batch, full = [each for each in batch if order(each.id) <= order(until)], False
            if batch:
                audit.add(batch)
                await asyncio.sleep(0)
            if not full:
                return

    async def _learn(self, audit: _Audit, part: Balances) -> None:
        """Adds up what campaigns spent on closed days, where the checkpoint does not say so."""
        replay = audit.replay
        unknown = replay.unknown(part.campaigns)
        if unknown:
            replay.campaigns |= await ClosedDays(self.artifacts).spent(replay.closed, unknown)

    async def _close(self, audit: _Audit) -> Closing:
        """Stores the spend of days that can be closed, and removes these days from the replay."""
        replay = audit.replay
        closed = ClosedDays(self.artifacts)
        days = {
            day: await closed.put(replay.spend.get(day, DaysSpend()))
            for day in replay.closable(audit.over)
        }
        over = max((day for day in replay.days if day < audit.today), default="")
        months = await asyncio.to_thread(replay.close, days, audit.over, audit.campaigns)
        return Closing(days=days, months=months, over=over)

    async def _rebuild(self) -> None:
        audit = await self._audit()
        audit.check(audit.number)
        # The store reports the balance of a campaign together with that of its scope.
        amounts = [(scope, EVER if window == CAMPAIGN else window) for scope, window in audit.wrong]
        for at in range(0, len(amounts), MENDED_AT_ONCE):
            await self._mend(audit, Names(amounts=amounts[at : at + MENDED_AT_ONCE]))
        for at in range(0, len(audit.wrong_cells), MENDED_AT_ONCE):
            await self._mend(audit, Names(spend=audit.wrong_cells[at : at + MENDED_AT_ONCE]))

    async def _mend(self, audit: _Audit, names: Names) -> None:
        """Sets some balances to the sums of the entries; tries again if money moved meanwhile."""
        for _ in range(TRIES):
            kept = await self.store.look(names)
            await self._catch_up(audit, until=kept.entry)
            await self._learn(audit, kept)
            audit.check(kept.number)
            if await self.store.rebuild(audit.replay.due(kept)):
                return
        raise LedgerUnavailable("the ledger changed at every attempt; try again when it is quieter")

    async def _all(self) -> AsyncIterator[list[LedgerEntry]]:
        """Every entry in order, from the store or, where it was trimmed, from checkpoints."""
        number, after = 0, ""
        while True:
            live = list(await self.store.entries(after, AT_ONCE))
            if not live or live[0].number != number + 1:  # the next entries were trimmed
                before = number
                checkpoint = await self.store.checkpoint()
                if checkpoint and checkpoint.number > number:
                    async for batch in Checkpoints(self.artifacts).entries(checkpoint, number):
                        yield batch
                        number, after = batch[-1].number, batch[-1].id
                if number > before:
                    continue
            if not live:
                return
            yield live
            number, after = live[-1].number, live[-1].id
