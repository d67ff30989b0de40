"""The one seam to durable state: money, promotions, the work queue and events.

`RedisStore` is the real one, `MemoryStore` its twin for tests; one suite runs on both.
Every method is atomic, and every promotion's money resolves exactly once: settled,
released or expired.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, Protocol

from underpaint.contract.errors import (
    PromotionConflict,
    PromotionNotFound,
    QuoteExpired,
)
from underpaint.contract.generation import Progress
from underpaint.contract.money import format_usd
from underpaint.contract.pictures import Digest
from underpaint.contract.promotion import (
    Lineage,
    Page,
    Promotion,
    PromotionEvent,
    PromotionRequest,
    Quote,
    Receipt,
)
from underpaint.orchestrator.ledger.store import LedgerStore
from underpaint.orchestrator.names import bare
from underpaint.orchestrator.pricing.table import EnginePrice
from underpaint.orchestrator.promotions.archive import ArchiveStore

# While interactive promotions wait, every so many turns are batch's, so that it cannot starve.
BATCH_TURN: Final = 5
UNFINISHED: Final = "it was not finished in its time"
# The topic that rings when there is work to take; other topics are promotion ids.
WORK = "work"
NOTHING_RUNS: Final[Mapping[str, int]] = MappingProxyType({})
SECRET_BYTES: Final = 32


class LeaseLost(Exception):
    """Another worker has the promotion, or it has ended: the result must be discarded."""


class Overcharge(Exception):
    """A charge above the reservation: refused, and a fault of this program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuote:
    """A quote as it is kept: bound to its caller, one content and one promotion."""

    quote: Quote
    price: EnginePrice
    content: str  # digest of the PromotionRequest, defaults filled in
    caller: str = ""  # the identity of the only one who may promote by it
    party: str = "house"  # who takes turns with others, by the credential of the caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an engine made, recorded before the artifact is stored and the money settled."""

    digest: Digest
    model: str
    upscaler: str
    gpu_seconds: float
    warnings: tuple[str, ...] = ()  # what the engine said of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to work on a promotion, until the fence moves on."""

    promotion: Promotion
    price: EnginePrice
    fence: int  # compared in every write; a later lease has a higher one
    entry: str  # in the work queue
    refusals: int = 0  # times the engine was busy so far
    outcome: Outcome | None = None  # of an earlier lease that ended before settling


class PromotionStore(LedgerStore, ArchiveStore, Protocol):
    """Durable state. Any method may raise LedgerUnavailable: then nothing is known to be done."""

    async def open(self) -> None:
        """Connects. Raises LedgerUnavailable if that fails."""

    async def close(self) -> None:
        """Lets go of connections."""

    def listen(self, topic: str) -> AbstractContextManager[asyncio.Event]:
        """An event set when something about the topic may have changed: then look.

        News of a promotion comes at once or, if it was lost, a second or two later; news of
        WORK may be lost for good: wait on it with a timeout.
        """

    # Quotes

    async def keep_quote(self, open_quote: OpenQuote, lifetime_s: float) -> None:
        """Keeps a quote until its lifetime is over."""

    async def find_quote(self, quote_id: str) -> OpenQuote | None:
        """The quote, if it is still open."""

    # Pictures that were sent, and may never come to belong to a promotion

    async def expect_picture(self, sha256: str, *, stored: bool) -> bool:
        """Notes a picture before it is stored; reserving, waiting or recording it ends that.

        Args:
            sha256: its name.
            stored: whether it is in the artifact store already; then it belongs to somebody,
                unless it was noted before.

        Returns:
            False while it is being removed: ask again in a moment.
        """

    async def unwanted_pictures(self, older_s: float, most: int) -> Sequence[str]:
        """Takes pictures that were noted so many seconds ago and belong to no promotion."""

    async def forget_picture(self, sha256: str) -> None:
        """Says that an unwanted picture is removed, and may be sent again."""

    # Promotions

    async def promote(
        self,
        promotion_id: str,
        content: str,
        request: PromotionRequest,
        open_quote: OpenQuote,
        reservation_s: float,
        approved_by: str = "",
    ) -> Promotion:
        """Reserves the quote in every scope and enqueues the work, in one step.

        The same id and content answers with what is stored, whatever became of quote and
        budget since.

        Args:
            promotion_id: the idempotency key.
            content: digest of `request`.
            request: what is to be polished, defaults filled in.
            open_quote: for the same content; it must still be kept.
            reservation_s: seconds until an unfinished promotion expires.
            approved_by: lets a promotion that waits for its approval go on, if it still does.

        Raises:
            PromotionConflict: the id is taken by other content.
            QuoteExpired: the quote is gone, for other content, or of another promotion.
            BudgetExceeded: a scope with a hard limit has no room, or none has a limit today.
            LedgerFrozen: the ledger does not add up.
        """

    async def cancel(self, promotion_id: str) -> Promotion:
        """Releases what waits, asks the worker of what runs to stop, leaves what is final.

        Raises:
            PromotionNotFound: no such promotion.
        """

    async def get(self, promotion_id: str) -> Promotion:
        """One promotion. Raises PromotionNotFound."""

    async def page(self, size: int, token: str, organisation: str = "") -> Page:
        """Newest first, from a token of the page before or "" on; of one organisation or all.

        A page may be short and yet lead on: only its token says whether more follow.
        """

    async def dead(self, size: int, token: str, organisation: str = "") -> Page:
        """The dead that were not retried, newest first, as `page`."""

    async def secret(self) -> bytes:
        """Random bytes, the same for ever and for every orchestrator of this store."""

    async def events(self, promotion_id: str, after: str, most: int) -> Sequence[PromotionEvent]:
        """Up to `most` events after an event id ("" for the first); none if there is none."""

    # Work under a lease. LeaseLost if the lease's fence is not the latest.

    async def take(
        self, worker: str, most: int, running: Mapping[str, int] = NOTHING_RUNS
    ) -> Sequence[Lease]:
        """Leases of promotions whose lease has lapsed, and of those whose turn it is.

        So many at each engine that with those which the worker has there already, by engine
        in `running`, they are `most`: a slow engine keeps nobody from working at another.

        At each engine interactive ones go before batch ones, though every BATCH_TURN-th turn is
        batch's. Within a priority the parties take turns (`OpenQuote.party`), so that nobody waits
        for all that another has queued; the promotions of a party go in the order they were
        made, and one that is retried keeps its place. Work that runs is never interrupted.
        """

    async def renew(self, lease: Lease) -> bool:
        """Prolongs a lease; says whether the promotion was cancelled meanwhile."""

    async def cancelled(self, lease: Lease) -> bool:
        """Whether the promotion was cancelled; changes nothing."""

    async def progress(self, lease: Lease, progress: Progress) -> None:
        """Appends an event."""

    async def record(self, lease: Lease, outcome: Outcome) -> None:
        """Records what an engine made, so that a successor settles instead of repeating."""

    async def settle(self, lease: Lease, charged_usd_micros: int, cloud_only: int) -> Promotion:
        """Charges, returns the rest of the reservation and ends the promotion.

        Raises:
            Overcharge: above the reservation; nothing is changed.
        """

    async def release(self, lease: Lease, reason: str, *, dead: bool = False) -> Promotion:
        """Returns the whole reservation and ends the promotion.

        Args:
            lease: the latest.
            reason: why.
            dead: nobody wanted it to end; it is kept among the dead until it is retried.
        """

    async def retry(self, lease: Lease, delay_s: float, reason: str, *, counts: bool) -> None:
        """Puts the promotion back to wait.

        Args:
            lease: the latest.
            delay_s: seconds until it may be taken again, if it was an attempt; else until
                its engine may be asked again by anybody, and the promotion keeps its turn.
            reason: what went wrong; told if the promotion expires before it succeeds.
            counts: whether it was an attempt.
        """

    async def expire_due(self, most: int) -> int:
        """Expires promotions whose reservation is over; says how many. They are dead."""


def ending(
    request: PromotionRequest,
    quote: Quote,
    outcome: Outcome,
    charged_usd_micros: int,
    cloud_only_usd_micros: int,
    settled_at: datetime,
) -> tuple[Lineage, Receipt]:
    """Where a settled artifact comes from and what it cost."""
    lineage = Lineage(
        draft_sha256=request.init_image.sha256,
        draft_id=request.draft_id,
        draft_model=request.draft_model,
        draft_seed=request.draft_seed,
        engine=quote.engine,
        model=outcome.model,
        upscaler=outcome.upscaler,
        request=quote.request,
    )
    receipt = Receipt(
        quoted_usd_micros=quote.max_usd_micros,
        charged_usd_micros=charged_usd_micros,
        cloud_only_usd_micros=cloud_only_usd_micros,
        price_table_version=quote.price_table_version,
        gpu_seconds=outcome.gpu_seconds,
        settled_at=settled_at,
    )
    return lineage, receipt


def reserved_for(quote: Quote, approved_by: str) -> str:
    """The first event of a promotion whose money is reserved."""
    approved = f"approved by {approved_by}; " if approved_by else ""
    return f"{approved}{format_usd(quote.max_usd_micros)} is reserved; waiting for an engine"


def again(reason: str, delay_s: float) -> str:
    """The event of a promotion that is put back to wait."""
    return f"{reason}; trying again" + (f" in {delay_s:g} s" if delay_s else "")


def unfinished(trouble: str) -> str:
    """Why a promotion expired."""
    return UNFINISHED + (f"; last: {trouble}" if trouble else "")


def newest_of(found: Mapping[int, Promotion], size: int, seen: int = 0) -> Page:
    """A page of the newest of some promotions.

    Args:
        found: by number.
        size: most in a page.
        seen: all from this number up were looked at; 0 if there are no others at all.
    """
    numbers = [number for number in sorted(found, reverse=True) if number >= seen][:size]
    last = numbers[-1] if len(numbers) == size else seen
    return Page(
        promotions=tuple(found[number] for number in numbers),
        next_token=str(last) if last else "",
    )


def seen_to(size: int, *looks: Sequence[int]) -> int:
    """The number down to which all looks have seen everything, each of up to `size` numbers."""
    return max((min(look) for look in looks if len(look) == size), default=0)


def not_found(promotion_id: str) -> PromotionNotFound:
    """The error for an unknown promotion."""
    return PromotionNotFound(
        f"there is no promotion {bare(promotion_id)}; list them with `underpaint promotions`"
    )


def taken(promotion_id: str) -> PromotionConflict:
    """The error for a promotion id that stands for other content."""
    return PromotionConflict(
        f"promotion id {bare(promotion_id)} is taken by other content; choose a new id"
    )


def used(quote_id: str) -> QuoteExpired:
    """The error for a quote that another promotion was made by."""
    return QuoteExpired(
        f"quote {quote_id[:80]!r} was promoted already; ask for a new one for each promotion"
    )


def expired(quote_id: str) -> QuoteExpired:
    """The error for a quote that is gone or for other content."""
    return QuoteExpired(f"quote {quote_id[:80]!r} is unknown or has expired; ask for a new one")
