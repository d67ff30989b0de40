"""The work queue in memory, as `RedisQueue` is in Redis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from underpaint.contract.generation import Progress
from underpaint.contract.money import format_usd
from underpaint.contract.promotion import Promotion, PromotionState, Withheld
from underpaint.orchestrator.promotions.archive import Archive
from underpaint.orchestrator.promotions.store import (
    NOTHING_RUNS,
    Lease,
    LeaseLost,
    Outcome,
    Overcharge,
    again,
    ending,
    unfinished,
)
from underpaint.orchestrator.storage.memory.promotions import MemoryPromotions
from underpaint.orchestrator.storage.memory.records import Record


class MemoryQueue(MemoryPromotions):
    """Gives leases, and makes the changes that need one."""

    def __init__(
        self, clock: Callable[[], float], archive: Archive | None, *, lease_s: float
    ) -> None:
        super().__init__(clock, archive)
        self._lease_s = lease_s

    async def take(
        self, worker: str, most: int, running: Mapping[str, int] = NOTHING_RUNS
    ) -> Sequence[Lease]:
        """Leases promotions whose lease has lapsed, then waiting ones in order of turn."""
        now = self._clock()
        held = Counter(running)
        leases: list[Lease] = []

        def room(engine: str) -> bool:
            return held[engine] < most

        def take(record: Record) -> None:
            if lease := self._lease(record):
                leases.append(lease)
                held[record.promotion.quote.engine] += 1

        for record in [each for each in self._leased.values() if each.lapses_at <= now]:
            if room(record.promotion.quote.engine):
                take(record)
        due = [(each.waits_until, id_) for id_, each in self._delayed.items()]
        for _, promotion_id in sorted(each for each in due if each[0] <= now):
            self._enqueue(self._delayed.pop(promotion_id))
        while popped := self._queue.pop(now, room):
            record = self._records[popped[0]]
            record.turn = popped[1]
            take(record)
        return leases

    async def renew(self, lease: Lease) -> bool:
        """Extends a lease; returns whether the promotion was cancelled."""
        record = self._held(lease)
        record.lapses_at = self._clock() + self._lease_s
        return record.cancelled

    async def cancelled(self, lease: Lease) -> bool:
        """Whether the promotion was cancelled."""
        return self._held(lease).cancelled

    async def progress(self, lease: Lease, progress: Progress) -> None:
        """Appends an event."""
        self._event(self._held(lease), progress.stage, progress)

    async def record(self, lease: Lease, outcome: Outcome) -> None:
        """Records what an engine made."""
        self._held(lease).outcome = outcome
        if outcome.artifact:
            self._pictures.keep(outcome.artifact.sha256, self._clock())

    async def settle(self, lease: Lease, charged_usd_micros: int, cloud_only: int) -> Promotion:
        """Charges and ends the promotion."""
        record = self._held(lease)
        promotion = record.promotion
        if record.outcome is None:
            raise ValueError(f"{promotion.id} has no outcome to settle")
        if not 0 <= charged_usd_micros <= promotion.quote.max_usd_micros:
            raise Overcharge(f"{promotion.id}: {promotion.quote.max_usd_micros} is reserved")
        outcome = record.outcome
        message = f"{outcome.reason or 'finished'}; {format_usd(charged_usd_micros)} is charged"
        held = self._open[promotion.id]
        model = outcome.model
        self._resolve(
            record,
            "settle",
            PromotionState.SETTLED,
            charged_usd_micros,
            message,
            model=model,
            cloud_only_usd_micros=cloud_only,
        )
        cell = (held.day, held.scopes, model)
        before = self._cells.get(cell, (0, 0, 0))
        self._cells[cell] = (
            before[0] + 1,
            before[1] + charged_usd_micros,
            before[2] + cloud_only,
        )
        lineage, receipt = ending(
            promotion.promotion,
            promotion.quote,
            outcome,
            charged_usd_micros,
            cloud_only,
            record.promotion.updated_at,
        )
        record.promotion = replace(
            record.promotion,
            artifact=outcome.artifact,
            lineage=lineage if outcome.artifact else None,
            receipt=receipt,
            warnings=promotion.warnings + outcome.warnings,
        )
        if outcome.withheld.value:
            record.promotion = replace(record.promotion, reason=message, withheld=outcome.withheld)
            self._bury_dead(record)
        return record.promotion

    async def release(
        self,
        lease: Lease,
        reason: str,
        *,
        dead: bool = False,
        withheld: Withheld = Withheld.NO,
    ) -> Promotion:
        """Returns the reservation and ends the promotion."""
        record = self._held(lease)
        self._resolve(record, "release", PromotionState.RELEASED, 0, reason)
        record.promotion = replace(record.promotion, withheld=withheld)
        if dead:
            self._bury_dead(record)
        return record.promotion

    async def retry(self, lease: Lease, delay_s: float, reason: str, *, counts: bool) -> None:
        """Puts the promotion back into the queue."""
        record = self._held(lease)
        if record.cancelled:
            self._resolve(record, "release", PromotionState.RELEASED, 0, "cancelled")
            return
        record.fence += 1
        record.trouble = reason
        until = self._clock() + delay_s
        record.refusals += 0 if counts else 1
        attempts = record.promotion.attempts - (0 if counts else 1)
        self._dequeue(record)
        self._change(record, state=PromotionState.RESERVED, attempts=attempts)
        self._event(record, again(reason, delay_s))
        if counts and delay_s:
            record.waits_until = until
            self._delayed[record.promotion.id] = record
            return
        if not counts and delay_s:
            self._queue.leave_alone(record.promotion.quote.engine, until)
        self._enqueue(record, None if counts else record.turn)

    async def expire_due(self, most: int) -> int:
        """Expires promotions whose reservation is over."""
        due = [
            record
            for record in self._records.values()
            if record.promotion.state in (PromotionState.RESERVED, PromotionState.RUNNING)
            and record.expires_at <= self._clock()
        ][:most]
        for record in due:
            reason = unfinished(record.trouble)
            self._resolve(record, "expire", PromotionState.EXPIRED, 0, reason)
            self._bury_dead(record)
        return len(due)

    def _held(self, lease: Lease) -> Record:
        record = self._records.get(lease.promotion.id)  # none once it is archived
        running = record is not None and record.promotion.state is PromotionState.RUNNING
        if record is None or not running or record.fence != lease.fence:
            raise LeaseLost(lease.promotion.id)
        return record

    def _bury_dead(self, record: Record) -> None:
        """Lists a promotion that has just failed among the dead, unless it was cancelled."""
        if record.cancelled:
            return
        record.promotion = replace(record.promotion, dead=True)
        self._dead[record.number] = record.promotion.id

    def _lease(self, record: Record) -> Lease | None:
        """A new lease; None if the promotion was cancelled, which ends it."""
        if record.cancelled:
            self._resolve(record, "release", PromotionState.RELEASED, 0, "cancelled")
            return None
        record.fence += 1
        record.entry = record.entry or self._next_id()
        record.lapses_at = self._clock() + self._lease_s
        self._leased[record.promotion.id] = record
        self._change(record, state=PromotionState.RUNNING, attempts=record.promotion.attempts + 1)
        self._event(record, "an engine has been asked")
        return Lease(
            promotion=record.promotion,
            price=record.price,
            fence=record.fence,
            entry=record.entry,
            refusals=record.refusals,
            outcome=record.outcome,
        )
