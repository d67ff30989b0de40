"""Quotes, promotions and events in memory, as `RedisPromotions` keeps them in Redis."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

from underpaint.contract.generation import Progress
from underpaint.contract.money import MAX_USD_MICROS
from underpaint.contract.promotion import (
    Page,
    Promotion,
    PromotionEvent,
    PromotionRequest,
    PromotionState,
)
from underpaint.orchestrator.ledger.store import (
    EVER,
    Reservation,
    no_budget,
    no_room,
    order,
    spending_frozen,
    too_much,
    warnings,
)
from underpaint.orchestrator.names import is_of
from underpaint.orchestrator.notifier import Notifier
from underpaint.orchestrator.promotions.archive import Archive, Archived, Segment
from underpaint.orchestrator.promotions.paging import newest_of, seen_to
from underpaint.orchestrator.promotions.store import (
    SECRET_BYTES,
    WORK,
    OpenQuote,
    expired,
    not_found,
    reserved_for,
    taken,
    used,
)
from underpaint.orchestrator.storage.memory.archive import MemoryArchive
from underpaint.orchestrator.storage.memory.pictures import Pictures
from underpaint.orchestrator.storage.memory.records import Record
from underpaint.orchestrator.storage.memory.turns import Turns


class MemoryPromotions(MemoryArchive):
    """Stores and finds promotions, whether they are still here or archived."""

    def __init__(self, clock: Callable[[], float], archive: Archive | None) -> None:
        super().__init__(clock, archive)
        self._quotes: dict[str, tuple[OpenQuote, float]] = {}
        self._promoted: dict[str, str] = {}  # promotion id by quote id
        self._records: dict[str, Record] = {}
        self._dead: dict[int, str] = {}  # ids by number
        self._secret = secrets.token_bytes(SECRET_BYTES)
        self._notifier = Notifier()
        self._queue = Turns()
        self._pictures = Pictures()
        self._delayed: dict[str, Record] = {}
        self._leased: dict[str, Record] = {}

    async def keep_quote(self, open_quote: OpenQuote, lifetime_s: float) -> None:
        """Stores a quote for its lifetime."""
        self._quotes[open_quote.quote.id] = (open_quote, self._clock() + lifetime_s)

    async def find_quote(self, quote_id: str) -> OpenQuote | None:
        """The quote, if it is still open."""
        kept = self._quotes.get(quote_id)
        return kept[0] if kept and self._clock() < kept[1] else None

    async def promote(
        self,
        promotion_id: str,
        content: str,
        request: PromotionRequest,
        open_quote: OpenQuote,
        reservation_s: float,
        approved_by: str = "",
    ) -> Promotion:
        """Reserves the money and enqueues the work."""
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
            raise spending_frozen()
        quote = open_quote.quote
        most = quote.max_usd_micros
        kept = await self.find_quote(quote.id)
        if kept is None or kept.content != content:
            raise expired(quote.id)
        if self._promoted.get(quote.id, promotion_id) != promotion_id:
            raise used(quote.id)
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
            party=open_quote.party,
            events=before.events if before else [],
        )
        self._records[promotion_id] = record
        self._promoted[quote.id] = promotion_id
        self._pictures.keep(request.init_image.sha256, self._clock())
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
        """Releases a waiting promotion; asks the worker of a running one to stop."""
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

    async def expect_picture(self, sha256: str, *, stored: bool) -> bool:
        """Notes a picture as sent before it is stored."""
        return self._pictures.expect(sha256, self._clock(), stored=stored)

    async def unwanted_pictures(self, older_s: float, most: int) -> Sequence[str]:
        """Marks for removal pictures that no promotion refers to."""
        return self._pictures.take(self._clock() - older_s, most)

    async def forget_picture(self, sha256: str) -> None:
        """Ends the removal of a picture; it may be sent again."""
        self._pictures.forget(sha256)

    async def get(self, promotion_id: str) -> Promotion:
        """Reads one promotion."""
        archived = await self._archived(promotion_id)
        return archived.promotion if archived else self._record(promotion_id).promotion

    async def page(self, size: int, token: str, organisation: str = "") -> Page:
        """One page of promotions, newest first."""
        newest = int(token) if token else self._next_number()
        older = [
            each
            for each in reversed(self._records.values())
            if each.number < newest and is_of(each.promotion.id, organisation)
        ][:size]
        archived = await self._archived_from(newest - 1, size)
        found = {each.number: each.promotion for each in older}
        for each in archived:
            if is_of(each.promotion.id, organisation):
                found[each.number] = each.promotion
        numbers = ([each.number for each in some] for some in (older, archived))
        return newest_of(found, size, seen_to(size, *numbers))

    async def dead(self, size: int, token: str, organisation: str = "") -> Page:
        """One page of the dead promotions that were not retried, newest first."""
        newest = int(token) if token else self._next_number()
        numbers = sorted((number for number in self._dead if number < newest), reverse=True)
        every = [await self.get(self._dead[number]) for number in numbers]
        mine = [
            (number, each)
            for number, each in zip(numbers, every, strict=True)
            if is_of(each.id, organisation)
        ]
        numbers, promotions = [each for each, _ in mine], [each for _, each in mine[:size]]
        return Page(
            promotions=tuple(promotions),
            next_token=str(numbers[size - 1]) if len(promotions) == size else "",
        )

    async def secret(self) -> bytes:
        """The random key of this store."""
        return self._secret

    async def events(self, promotion_id: str, after: str, most: int) -> Sequence[PromotionEvent]:
        """Up to `most` events after an event id."""
        archived = await self._archived(promotion_id)
        events = [archived.ending] if archived else self._record(promotion_id).events
        return [each for each in events if order(each.id) > order(after)][:most]

    async def finished(
        self, kept_s: float, most: int, after: int
    ) -> tuple[Sequence[Archived], int]:
        """Finds promotions that ended at least `kept_s` seconds ago."""
        before = self._now() - timedelta(seconds=kept_s)
        rows = [each for each in self._records.values() if each.number > after][:most]
        found: list[Archived] = []
        for record in rows:
            promotion = record.promotion
            if promotion.created_at > before:
                return found, 0
            if promotion.state.final and promotion.updated_at <= before:
                found.append(
                    Archived(
                        number=record.number,
                        content=record.content,
                        last_event=record.events[-1].id,
                        promotion=promotion,
                    )
                )
        return found, rows[-1].number if len(rows) == most else 0

    async def archive(
        self, segment: Segment, before: Segment | None, promotions: Sequence[Archived]
    ) -> bool:
        """Replaces promotions by tombstones."""
        ids = [each.promotion.id for each in promotions]
        if not self._records.keys() >= set(ids) or not self._bury(segment, before, promotions):
            return False
        for promotion_id in ids:
            del self._records[promotion_id]
        return True

    def _next_number(self) -> int:
        return len(self._tombstones) + len(self._records) + 1

    def _record(self, promotion_id: str) -> Record:
        if promotion_id not in self._records:
            raise not_found(promotion_id)
        return self._records[promotion_id]

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

    def _retried(self, dead: str, promotion_id: str) -> None:
        """Notes on a dead promotion which one retries it; does nothing if it is archived."""
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

    def _enqueue(self, record: Record, turn: int | None = None) -> None:
        self._queue.put(record.promotion, record.party, record.number, turn)
        self._notifier.notify(WORK)

    def _dequeue(self, record: Record) -> None:
        """Removes a promotion from the queue and ends its lease."""
        self._queue.remove(record.promotion, record.party, record.number)
        self._delayed.pop(record.promotion.id, None)
        self._leased.pop(record.promotion.id, None)
        record.entry = ""
