"""The ledger in this process's memory: the twin of `RedisStore`, for tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Literal

from underpaint.contract.generation import Progress
from underpaint.contract.money import MAX_USD_MICROS, format_usd
from underpaint.contract.promotion import (
    Promotion,
    PromotionEvent,
    PromotionRequest,
    PromotionState,
)
from underpaint.orchestrator.ledger.store import (
    EVER,
    Reservation,
    frozen_for,
    no_budget,
    no_room,
    too_much,
    warnings,
)
from underpaint.orchestrator.notifier import Notifier
from underpaint.orchestrator.promotions.archive import Archive
from underpaint.orchestrator.promotions.store import (
    WORK,
    Lease,
    LeaseLost,
    OpenQuote,
    Outcome,
    Overcharge,
    again,
    ending,
    expired,
    reserved_for,
    taken,
    unfinished,
)
from underpaint.orchestrator.storage.memory.promotions import MemoryPromotions, Record
from underpaint.orchestrator.storage.memory.turns import Turns


class MemoryStore(MemoryPromotions):
    """Money, promotions, work and events; gone with the process."""

    def __init__(
        self,
        *,
        lease_s: float = 10.0,
        clock: Callable[[], float] = time.time,
        archive: Archive | None = None,
    ) -> None:
        super().__init__(clock, archive)
        self._lease_s = lease_s
        self._notifier = Notifier()
        self._queue = Turns()
        self._delayed: dict[str, Record] = {}
        self._leased: dict[str, Record] = {}

    async def open(self) -> None:
        """Nothing to connect."""

    async def close(self) -> None:
        """Nothing to let go."""

    def listen(self, topic: str) -> AbstractContextManager[asyncio.Event]:
        """An event set when the topic has news."""
        return self._notifier.listen(topic)

    async def promote(
        self,
        promotion_id: str,
        content: str,
        request: PromotionRequest,
        open_quote: OpenQuote,
        reservation_s: float,
        approved_by: str = "",
    ) -> Promotion:
        """Reserves and enqueues."""
        before = self._records.get(promotion_id)
        if before:
            if before.content != content:
                raise taken(promotion_id)
            waits = before.promotion.state is PromotionState.WAITING
            if not (waits and approved_by and self._clock() < before.expires_at):
                return before.promotion
        archived = await self._archived(promotion_id)
        if archived:
            if archived.content != content:
                raise taken(promotion_id)
            return archived.promotion
        if self._frozen:
            raise frozen_for(self._frozen)
        quote = open_quote.quote
        most = quote.max_usd_micros
        kept = await self.find_quote(quote.id)
        if kept is None or kept.content != content:
            raise expired(quote.id)
        scopes = request.account.scopes
        limits = await self.limits(scopes)
        for scope in scopes:
            if sum(self._amounts.get((scope, EVER), (0, 0))) + most > MAX_USD_MICROS:
                raise too_much(scope)
        for budget in limits:
            if most > budget.left_usd_micros and not budget.soft:
                raise no_room(budget, most)
        if not limits:
            raise no_budget(scopes)
        overruns = warnings(limits, most)
        now = self._now()
        record = Record(
            promotion=Promotion(
                id=promotion_id,
                state=PromotionState.RESERVED,
                promotion=request,
                quote=quote,
                created_at=before.promotion.created_at if before else now,
                updated_at=now,
                approved_by=approved_by,
                warnings=overruns,
            ),
            content=content,
            price=open_quote.price,
            number=before.number if before else self._next_number(),
            expires_at=self._clock() + reservation_s,
            events=before.events if before else [],
        )
        self._records[promotion_id] = record
        self._retried(request.retry_of, promotion_id)
        self._open[promotion_id] = Reservation(day=self._today(), scopes=scopes, usd_micros=most)
        self._move("reserve", promotion_id, most, 0)
        for overrun in overruns:
            scope = overrun.partition(" ")[0]
            self._entry(
                "overrun",
                promotion_id=promotion_id,
                scopes=(scope,),
                day=self._today(),
                note=overrun,
            )
        self._event(record, reserved_for(quote, approved_by))
        self._enqueue(record)
        return record.promotion

    async def cancel(self, promotion_id: str) -> Promotion:
        """Releases what waits; asks the worker of what runs to stop."""
        archived = await self._archived(promotion_id)
        if archived:
            return archived.promotion
        record = self._record(promotion_id)
        if record.promotion.state is PromotionState.RESERVED:
            self._resolve(record, "release", PromotionState.RELEASED, 0, "cancelled")
        elif record.promotion.state is PromotionState.RUNNING:
            record.cancelled = True
            self._notifier.notify(promotion_id)
        return record.promotion

    async def take(self, worker: str, most: int) -> Sequence[Lease]:
        """Leases of lapsed work, then of due and new work as its turn comes."""
        now = self._clock()
        lapsed = [each for each in self._leased.values() if each.lapses_at <= now][:most]
        leases = [lease for each in lapsed if (lease := self._lease(each))]
        due = [(each.waits_until, id_) for id_, each in self._delayed.items()]
        for _, promotion_id in sorted(each for each in due if each[0] <= now)[:most]:
            self._enqueue(self._delayed.pop(promotion_id))
        while len(leases) < most and (popped := self._queue.pop(now)):
            record = self._records[popped[0]]
            record.turn = popped[1]
            if lease := self._lease(record):
                leases.append(lease)
        return leases

    async def renew(self, lease: Lease) -> bool:
        """Prolongs a lease."""
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

    async def settle(self, lease: Lease, charged_usd_micros: int, cloud_only: int) -> Promotion:
        """Charges and ends the promotion."""
        record = self._held(lease)
        promotion = record.promotion
        if record.outcome is None:
            raise ValueError(f"{promotion.id} has no outcome to settle")
        if not 0 <= charged_usd_micros <= promotion.quote.max_usd_micros:
            raise Overcharge(f"{promotion.id}: {promotion.quote.max_usd_micros} is reserved")
        message = f"finished; {format_usd(charged_usd_micros)} is charged"
        held = self._open[promotion.id]
        model = record.outcome.model
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
            record.outcome,
            charged_usd_micros,
            cloud_only,
            record.promotion.updated_at,
        )
        record.promotion = replace(
            record.promotion, artifact=record.outcome.digest, lineage=lineage, receipt=receipt
        )
        return record.promotion

    async def release(self, lease: Lease, reason: str, *, dead: bool = False) -> Promotion:
        """Returns the reservation and ends the promotion."""
        record = self._held(lease)
        self._resolve(record, "release", PromotionState.RELEASED, 0, reason)
        if dead and not record.cancelled:
            self._bury_dead(record)
        return record.promotion

    async def retry(self, lease: Lease, delay_s: float, reason: str, *, counts: bool) -> None:
        """Puts the promotion back to wait."""
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
            if not record.cancelled:
                self._bury_dead(record)
        return len(due)

    def _held(self, lease: Lease) -> Record:
        record = self._records.get(lease.promotion.id)  # none once it is archived
        running = record is not None and record.promotion.state is PromotionState.RUNNING
        if record is None or not running or record.fence != lease.fence:
            raise LeaseLost(lease.promotion.id)
        return record

    def _change(self, record: Record, *, state: PromotionState, attempts: int) -> None:
        record.promotion = replace(
            record.promotion, state=state, attempts=attempts, updated_at=self._now()
        )

    def _resolve(
        self,
        record: Record,
        kind: Literal["settle", "release", "expire"],
        state: PromotionState,
        charged: int,
        message: str,
        **more: Any,
    ) -> None:
        self._change(record, state=state, attempts=record.promotion.attempts)
        reason = "" if state is PromotionState.SETTLED else message
        record.promotion = replace(record.promotion, reason=reason)
        promotion = record.promotion
        self._dequeue(record)
        self._move(kind, promotion.id, -promotion.quote.max_usd_micros, charged, **more)
        del self._open[promotion.id]
        self._event(record, message)

    def _bury_dead(self, record: Record) -> None:
        """Keeps a promotion that has just ended as dead."""
        record.promotion = replace(record.promotion, dead=True)
        self._dead[record.number] = record.promotion.id

    def _retried(self, dead: str, promotion_id: str) -> None:
        """Notes on a dead promotion which one repeats it; nothing if there is no such."""
        self._dead = {number: id_ for number, id_ in self._dead.items() if id_ != dead}
        if record := self._records.get(dead):
            record.promotion = replace(record.promotion, retried_as=promotion_id)

    def _event(self, record: Record, message: str, progress: Progress | None = None) -> None:
        record.events.append(
            PromotionEvent(
                id=self._next_id(),
                at=self._now(),
                state=record.promotion.state,
                step=progress.step if progress else 0,
                steps=progress.steps if progress else 0,
                preview=progress.preview if progress else b"",
                message=message,
            )
        )
        self._notifier.notify(record.promotion.id)

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

    def _enqueue(self, record: Record, turn: int | None = None) -> None:
        self._queue.put(record.promotion, record.number, turn)
        self._notifier.notify(WORK)

    def _dequeue(self, record: Record) -> None:
        """Takes a promotion out of whatever it waits in or is leased by."""
        self._queue.remove(record.promotion, record.number)
        self._delayed.pop(record.promotion.id, None)
        self._leased.pop(record.promotion.id, None)
        record.entry = ""
