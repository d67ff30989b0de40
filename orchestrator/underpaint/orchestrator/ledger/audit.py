"""Keeps the books honest: adds up the entries, compares, checkpoints, trims, tells them all.

A checkpoint is an artifact: the replay up to an entry, the entries since the checkpoint before
as an artifact of their own, and the name of the checkpoint before. So the chain of them is
the whole ledger, and only what is in it is ever trimmed from Redis. Any number of
orchestrators may do this side by side: a checkpoint takes the place of the one it was made
from, or is not kept.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import TypeAdapter
from underpaint.contract.accounting import LedgerEntry, Verification
from underpaint.contract.errors import (
    InvalidRequest,
    LedgerFrozen,
    LedgerUnavailable,
    UnderpaintError,
)
from underpaint.contract.pictures import Digest
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.ledger.replay import LedgerReplay, cell_of, differences
from underpaint.orchestrator.ledger.store import Balances, Checkpoint, LedgerStore, order

log = logging.getLogger(__name__)

AT_ONCE: Final = 1_000  # entries read in one go
TRIES: Final = 10  # at a moving ledger, before one says so
MOST_TOLD: Final = 20  # mismatches in one answer
_ENTRIES: Final = TypeAdapter(list[LedgerEntry])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Audit:
    """A replay up to the last entry, beside the balances at that very moment."""

    checkpoint: Checkpoint | None
    replay: LedgerReplay
    kept: Balances
    fresh: list[LedgerEntry]  # since the checkpoint

    @property
    def due(self) -> Balances:
        return self.replay.balances(self.kept.campaigns)

    @property
    def mismatches(self) -> list[str]:
        return [*self.replay.problems, *differences(self.due, self.kept)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Auditor:
    """What verifying, checkpointing and reading the ledger need."""

    store: LedgerStore
    artifacts: Artifacts

    async def verify(self) -> Verification:
        """Adds up the entries since the last checkpoint and compares every balance.

        A difference freezes spending and raises the alarm.

        Raises:
            LedgerUnavailable: the ledger or a checkpoint cannot be read.
        """
        return await self._verdict(await self._audit())

    async def checkpoint(self) -> Verification:
        """Verifies, and if all is well keeps what was added up and trims the entries in it."""
        audit = await self._audit()
        verdict = await self._verdict(audit)
        if verdict.mismatches or not audit.fresh:
            return verdict
        before = audit.checkpoint
        entries = await self._put(_ENTRIES.dump_json(audit.fresh))
        document = {
            "before": before.sha256 if before else "",
            "entries": entries,
            "fold": audit.replay.dump(),
        }
        sha256 = await self._put(json.dumps(document, separators=(",", ":")).encode())
        kept = Checkpoint(entry=audit.replay.entry, number=audit.replay.number, sha256=sha256)
        if await self.store.keep_checkpoint(kept, before):
            await self.store.trim()
            log.info("checkpoint of the ledger at entry %d", kept.number)
        return verdict

    async def thaw(self, because: str, *, rebuild: bool) -> str:
        """Allows spending again; answers with why it was frozen, "" if it was not.

        Args:
            because: why it is safe; recorded in the ledger.
            rebuild: set the balances to what the entries add up to.

        Raises:
            InvalidRequest: no reason is given.
            LedgerFrozen: the entries are not whole, so nothing can be rebuilt from them.
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
        """Every entry made on a day or later, in order, archived ones too.

        Raises:
            LedgerUnavailable: the ledger or a checkpoint cannot be read.
        """
        async for batch in self._all():
            if batch[-1].at.date().isoformat() >= since_day:
                yield [entry for entry in batch if entry.at.date().isoformat() >= since_day]

    async def run(self, every_s: float) -> None:
        """Makes a checkpoint every so many seconds, for ever."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.checkpoint()
            except UnderpaintError as error:
                log.warning("no checkpoint of the ledger: %s", error)
            except Exception:
                log.exception("no checkpoint of the ledger")

    async def _verdict(self, audit: _Audit) -> Verification:
        mismatches = audit.mismatches
        if mismatches:
            await self.store.freeze(f"the ledger does not add up: {mismatches[0]}")
        frozen = await self.store.frozen()
        if frozen:
            log.critical("ALARM: spending is frozen: %s", frozen)
        return Verification(
            entries=len(audit.fresh),
            number=audit.kept.number,
            checkpoint_number=audit.checkpoint.number if audit.checkpoint else 0,
            balances=len(audit.kept.amounts),
            reservations=len(audit.kept.open),
            mismatches=tuple(mismatches[:MOST_TOLD]),
            frozen=frozen,
        )

    async def _audit(self) -> _Audit:
        """Folds up to the last entry; starts again when another checkpoint was kept meanwhile."""
        for _ in range(TRIES):
            checkpoint = await self.store.checkpoint()
            replay = (
                LedgerReplay() if checkpoint is None else (await self._kept(checkpoint.sha256))[0]
            )
            fresh: list[LedgerEntry] = []
            await self._catch_up(replay, fresh, until=None)  # most of it, before the clock stops
            kept = await self.store.balances()
            await self._catch_up(replay, fresh, until=kept.entry)
            audit = _Audit(checkpoint=checkpoint, replay=replay, kept=kept, fresh=fresh)
            if not audit.mismatches or await self.store.checkpoint() == checkpoint:
                return audit
        raise LedgerUnavailable("the ledger was checkpointed all the time; try again")

    async def _catch_up(
        self, replay: LedgerReplay, fresh: list[LedgerEntry], until: str | None
    ) -> None:
        while until is None or order(replay.entry) < order(until):
            batch = await self.store.entries(replay.entry, AT_ONCE)
            for entry in batch:
                if until is not None and order(entry.id) > order(until):
                    return
                replay.add(entry)
                fresh.append(entry)
            if not batch or (until is None and len(batch) < AT_ONCE):
                return

    async def _rebuild(self) -> None:
        for _ in range(TRIES):
            audit = await self._audit()
            if audit.replay.problems:
                raise LedgerFrozen(
                    f"nothing can be rebuilt from these entries: {audit.replay.problems[0]}"
                )
            none = dict.fromkeys(audit.kept.amounts, (0, 0))
            due = audit.due
            theirs = {cell_of(cell): cell for cell in due.spend}
            stray = [
                replace(cell, promotions=0, charged_usd_micros=0, cloud_only_usd_micros=0)
                for cell in audit.kept.spend
                if cell_of(cell) not in theirs
            ]
            if await self.store.rebuild(
                replace(due, amounts=none | dict(due.amounts), spend=[*due.spend, *stray])
            ):
                return
        raise LedgerUnavailable("the ledger was in use all the time; try again")

    async def _all(self) -> AsyncIterator[list[LedgerEntry]]:
        """Every entry in order: from Redis, or where it has them no more, from checkpoints."""
        number, after = 0, ""
        while True:
            live = await self.store.entries(after, AT_ONCE)
            if live and live[0].number == number + 1:
                batches = [list(live)]
            else:  # trimmed, perhaps a moment ago
                batches = await self._archived(number) or [list(live)]
            for batch in batches:
                if not batch:
                    return
                yield batch
                number, after = batch[-1].number, batch[-1].id

    async def _archived(self, number: int) -> list[list[LedgerEntry]]:
        """The entries after a number that checkpoints hold, in order."""
        checkpoint = await self.store.checkpoint()
        found: list[list[LedgerEntry]] = []
        name = checkpoint.sha256 if checkpoint and checkpoint.number > number else ""
        while name:
            replay, entries, name = await self._kept(name)
            if replay.number <= number:
                break
            data, _ = await self.artifacts.get(entries)
            found.append([each for each in _ENTRIES.validate_json(data) if each.number > number])
        return found[::-1]

    async def _kept(self, sha256: str) -> tuple[LedgerReplay, str, str]:
        """A checkpoint's replay, the name of its entries, and of the checkpoint before."""
        try:
            data, _ = await self.artifacts.get(sha256)
        except UnderpaintError as error:
            raise LedgerUnavailable(f"a checkpoint cannot be read: {error}") from None
        document: dict[str, Any] = json.loads(data)
        return LedgerReplay.of(document["fold"]), document["entries"], document["before"]

    async def _put(self, data: bytes) -> str:
        digest = Digest.of(data, "application/json")
        await self.artifacts.put(data, digest)
        return digest.sha256
