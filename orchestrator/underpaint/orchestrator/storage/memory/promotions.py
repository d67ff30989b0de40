"""Quotes, promotions and events in memory, as they are read: the twin of `RedisPromotions`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from underpaint.contract.promotion import Page, Promotion, PromotionEvent
from underpaint.orchestrator.ledger.store import order
from underpaint.orchestrator.pricing.table import EnginePrice
from underpaint.orchestrator.promotions.archive import Archive, Archived, Segment
from underpaint.orchestrator.promotions.store import OpenQuote, Outcome, not_found
from underpaint.orchestrator.storage.memory.archive import MemoryArchive


@dataclass(slots=True)
class Record:
    """A promotion and what must be known of it besides."""

    promotion: Promotion
    content: str
    price: EnginePrice
    number: int
    expires_at: float
    entry: str = ""
    fence: int = 0
    refusals: int = 0
    cancelled: bool = False
    trouble: str = ""  # that it was last put back for
    outcome: Outcome | None = None
    lapses_at: float = 0.0  # of the lease, while running
    turn: int | None = None  # that it was last taken at
    waits_until: float = 0.0  # of the backoff, while reserved
    events: list[PromotionEvent] = field(default_factory=list)


class MemoryPromotions(MemoryArchive):
    """What there is, wherever it is kept by now."""

    def __init__(self, clock: Callable[[], float], archive: Archive | None) -> None:
        super().__init__(clock, archive)
        self._quotes: dict[str, tuple[OpenQuote, float]] = {}
        self._records: dict[str, Record] = {}
        self._dead: dict[int, str] = {}  # ids by number

    async def keep_quote(self, open_quote: OpenQuote, lifetime_s: float) -> None:
        """Keeps a quote for its lifetime."""
        self._quotes[open_quote.quote.id] = (open_quote, self._clock() + lifetime_s)

    async def find_quote(self, quote_id: str) -> OpenQuote | None:
        """The quote, if it is still open."""
        kept = self._quotes.get(quote_id)
        return kept[0] if kept and self._clock() < kept[1] else None

    async def get(self, promotion_id: str) -> Promotion:
        """One promotion."""
        archived = await self._archived(promotion_id)
        return archived.promotion if archived else self._record(promotion_id).promotion

    async def page(self, size: int, token: str) -> Page:
        """Newest first."""
        newest = int(token) if token else self._next_number()
        older = [each for each in reversed(self._records.values()) if each.number < newest][:size]
        promotions = [each.promotion for each in older]
        last = older[-1].number if older else newest
        if len(older) < size:
            archived = await self._archived_from(last - 1, size - len(older))
            promotions += [each.promotion for each in archived]
            last = archived[-1].number if archived else last
        return Page(
            promotions=tuple(promotions),
            next_token=str(last) if len(promotions) == size else "",
        )

    async def dead(self, size: int, token: str) -> Page:
        """The dead that were not retried, newest first."""
        newest = int(token) if token else self._next_number()
        numbers = sorted((number for number in self._dead if number < newest), reverse=True)
        promotions = [await self.get(self._dead[number]) for number in numbers[:size]]
        return Page(
            promotions=tuple(promotions),
            next_token=str(numbers[size - 1]) if len(promotions) == size else "",
        )

    async def events(self, promotion_id: str, after: str, most: int) -> Sequence[PromotionEvent]:
        """Up to `most` events after an event id."""
        archived = await self._archived(promotion_id)
        events = [archived.ending] if archived else self._record(promotion_id).events
        return [each for each in events if order(each.id) > order(after)][:most]

    async def finished(self, kept_s: float, most: int) -> Sequence[Archived]:
        """The oldest promotions that have been final for so many seconds."""
        found = []
        for record in list(self._records.values())[:most]:
            promotion = record.promotion
            age_s = (self._now() - promotion.updated_at).total_seconds()
            if not promotion.state.final or age_s < kept_s:
                break
            found.append(
                Archived(
                    number=record.number,
                    content=record.content,
                    last_event=record.events[-1].id,
                    promotion=promotion,
                )
            )
        return found

    async def archive(self, segment: Segment, promotion_ids: Sequence[str]) -> bool:
        """Replaces promotions by tombstones."""
        if not self._bury(segment, promotion_ids):
            return False
        for promotion_id in promotion_ids:
            del self._records[promotion_id]
        return True

    def _next_number(self) -> int:
        return len(self._tombstones) + len(self._records) + 1

    def _record(self, promotion_id: str) -> Record:
        if promotion_id not in self._records:
            raise not_found(promotion_id)
        return self._records[promotion_id]
