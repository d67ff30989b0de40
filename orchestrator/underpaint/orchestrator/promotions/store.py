"""The interface to durable state: money, promotions, the work queue and events.

`RedisStore` implements it for production, `MemoryStore` for tests; the same conformance tests run
on both. Every method is atomic, and every reservation is resolved exactly once: settled, released
or expired.
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
    Withheld,
)
from underpaint.orchestrator.ledger.store import LedgerStore
from underpaint.orchestrator.names import bare
from underpaint.orchestrator.pricing.table import EnginePrice
from underpaint.orchestrator.promotions.archive import ArchiveStore

# Every fifth turn is for batch promotions even while interactive ones wait, so that none starves.
BATCH_TURN: Final = 5
UNFINISHED: Final = "it was not finished in its time"
# The topic that is notified when there is work to take; other topics are promotion ids.
WORK = "work"
# The digest of a picture that is withheld: of no bytes. Older orchestrators need a digest here.
NO_PICTURE: Final = Digest.of(b"", "application/octet-stream")
NOTHING_RUNS: Final[Mapping[str, int]] = MappingProxyType({})
SECRET_BYTES: Final = 32


class LeaseLost(Exception):
    """Another worker has the promotion, or it has ended: this worker's result is discarded."""


class Overcharge(Exception):
    """A charge above the reservation. It is refused; only a bug can cause it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuote:
    """A stored quote: valid for one caller, one content and one promotion."""

    quote: Quote
    price: EnginePrice
    content: str  # digest of the PromotionRequest with defaults filled in; see `content_of`
    caller: str = ""  # identity of the only caller who may promote by it
    party: str = "house"  # whose turn the work takes in the queue; set by the caller's credential


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an engine made, recorded before the artifact is stored and the money settled."""

    digest: Digest
    model: str
    upscaler: str
    gpu_seconds: float
    warnings: tuple[str, ...] = ()  # from the engine
    withheld: Withheld = Withheld.NO
    reason: str = ""  # why it is withheld

    @property
    def artifact(self) -> Digest | None:
        """The finished picture, unless it is withheld."""
        return None if self.withheld.value else self.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to work on a promotion, valid until a later lease of it is given."""

    promotion: Promotion
    price: EnginePrice
    fence: int  # checked in every write; each later lease has a higher one
    entry: str  # id of the promotion's entry in the work queue
    refusals: int = 0  # how often the engine was busy so far
    outcome: Outcome | None = None  # recorded under an earlier lease that ended before settling


class PromotionStore(LedgerStore, ArchiveStore, Protocol):
    """Durable state.

    Any method may raise LedgerUnavailable: then it is unknown whether the change was made.
    """

    async def open(self) -> None:
        """Connects. Raises LedgerUnavailable if that fails."""

    async def close(self) -> None:
        """Closes all connections."""

    def listen(self, topic: str) -> AbstractContextManager[asyncio.Event]:
        """An event that is set when something about a topic may have changed.

        A change of a promotion is notified at once, or within about two seconds if the first
        notification was lost. A notification of WORK may be lost entirely: wait with a timeout.
        """

    # Quotes

    async def keep_quote(self, open_quote: OpenQuote, lifetime_s: float) -> None:
        """Stores a quote for `lifetime_s` seconds."""

    async def find_quote(self, quote_id: str) -> OpenQuote | None:
        """The quote, if it is still open."""

    # Pictures that were sent, and that may end up without a promotion

    async def expect_picture(self, sha256: str, *, stored: bool) -> bool:
        """Notes a picture as sent before it is stored.

        The note ends when a promotion that refers to the picture is stored, or when the picture
        is recorded as a result.

        Args:
            sha256: digest of the picture.
            stored: whether the artifact store already has it. Then it belongs to somebody else
                and is not noted, unless it was noted before.

        Returns:
            False while the picture is being removed: ask again in a moment.
        """

    async def unwanted_pictures(self, older_s: float, most: int) -> Sequence[str]:
        """Marks for removal up to `most` pictures without a promotion, noted `older_s` ago."""

    async def forget_picture(self, sha256: str) -> None:
        """Tells the store that an unwanted picture is removed; it may be sent again."""

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
        """Reserves the quoted money in every scope and enqueues the work, in one step.

        The same id and content again returns what is stored; the quote and the budgets are not
        checked then.

        Args:
            promotion_id: the idempotency key.
            content: digest of `request`.
            request: the whole request, defaults filled in.
            open_quote: the quote, for the same content; it must not have expired.
            reservation_s: seconds until an unfinished promotion expires.
            approved_by: who approves a promotion that waits; "" if it needs no approval.

        Raises:
            PromotionConflict: the id is taken by other content.
            QuoteExpired: the quote has expired, is for other content, or was already used.
            BudgetExceeded: a hard limit has no room, or no scope of the account has a limit.
            LedgerFrozen: spending is frozen because the ledger does not add up.
        """

    async def cancel(self, promotion_id: str) -> Promotion:
        """Releases a waiting promotion, asks a running one to stop, and leaves one that has ended.

        Raises:
            PromotionNotFound: no such promotion.
        """

    async def get(self, promotion_id: str) -> Promotion:
        """Reads a promotion. Raises PromotionNotFound if there is none."""

    async def page(self, size: int, token: str, organisation: str = "") -> Page:
        """Up to `size` promotions, newest first, of one organisation or ("") of all.

        `token` is that of the page before, or "". Only an empty next token ends the list: a page
        may be short although more follow.
        """

    async def dead(self, size: int, token: str, organisation: str = "") -> Page:
        """One page of the dead promotions that were not retried, as `page`."""

    async def secret(self) -> bytes:
        """A random key that never changes and is the same for every orchestrator of this store."""

    async def events(self, promotion_id: str, after: str, most: int) -> Sequence[PromotionEvent]:
        """Up to `most` events after an event id; after "" from the first."""

    # Work under a lease. These raise LeaseLost if a later lease was given or the promotion ended.

    async def take(
        self, worker: str, most: int, running: Mapping[str, int] = NOTHING_RUNS
    ) -> Sequence[Lease]:
        """Leases promotions whose lease has lapsed, and waiting ones whose turn it is.

        The worker may have up to `most` promotions at each engine, including those that it runs
        already (`running`, by engine). So a slow engine does not keep it from another one.

        Interactive promotions go before batch ones, but every BATCH_TURN-th turn is for batch.
        Within a priority the parties take turns (`OpenQuote.party`), so that nobody waits behind
        all of another party's work. The promotions of one party go in the order they were made;
        a retried one keeps its place. Running work is never interrupted.
        """

    async def renew(self, lease: Lease) -> bool:
        """Extends a lease; returns whether the promotion was cancelled meanwhile."""

    async def cancelled(self, lease: Lease) -> bool:
        """Whether the promotion was cancelled. Changes nothing."""

    async def progress(self, lease: Lease, progress: Progress) -> None:
        """Appends a progress event."""

    async def record(self, lease: Lease, outcome: Outcome) -> None:
        """Records what an engine made, so that the next worker can settle without repeating it."""

    async def settle(self, lease: Lease, charged_usd_micros: int, cloud_only: int) -> Promotion:
        """Charges the cost, returns the rest of the reservation and ends the promotion.

        If the recorded outcome is withheld, it ends without a picture and counts as failed.

        `cloud_only` is what it would have cost all in the cloud, in micro-dollars.

        Raises:
            Overcharge: the cost is above the reservation; nothing is changed.
        """

    async def release(
        self,
        lease: Lease,
        reason: str,
        *,
        dead: bool = False,
        withheld: Withheld = Withheld.NO,
    ) -> Promotion:
        """Returns the whole reservation and ends the promotion.

        Args:
            lease: the latest lease.
            reason: why it ended, for its event and record.
            dead: whether it failed; then it is listed among the dead until it is retried.
            withheld: why its picture is not delivered, if one was made.
        """

    async def retry(self, lease: Lease, delay_s: float, reason: str, *, counts: bool) -> None:
        """Puts the promotion back into the queue.

        Args:
            lease: the latest lease.
            delay_s: seconds. If it counts as an attempt, this promotion waits so long; otherwise
                its engine is left alone so long, and the promotion keeps its turn.
            reason: what went wrong; reported if the promotion later expires.
            counts: whether this counts as one of the bounded number of attempts.
        """

    async def expire_due(self, most: int) -> int:
        """Expires up to `most` unfinished, overdue promotions as dead; returns how many."""


def ending(
    request: PromotionRequest,
    quote: Quote,
    outcome: Outcome,
    charged_usd_micros: int,
    cloud_only_usd_micros: int,
    settled_at: datetime,
) -> tuple[Lineage, Receipt]:
    """The lineage and the receipt of a settled promotion; amounts in micro-dollars."""
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
    """The message of the event that says that the money is reserved."""
    approved = f"approved by {approved_by}; " if approved_by else ""
    return f"{approved}{format_usd(quote.max_usd_micros)} is reserved; waiting for an engine"


def again(reason: str, delay_s: float) -> str:
    """The message of the event that says that a promotion is tried again."""
    return f"{reason}; trying again" + (f" in {delay_s:g} s" if delay_s else "")


def unfinished(trouble: str) -> str:
    """The reason of an expired promotion; `trouble` is what last went wrong, or ""."""
    return UNFINISHED + (f"; last: {trouble}" if trouble else "")


def not_found(promotion_id: str) -> PromotionNotFound:
    """The error for an unknown promotion."""
    return PromotionNotFound(
        f"there is no promotion {bare(promotion_id)}; list them with `underpaint promotions`"
    )


def taken(promotion_id: str) -> PromotionConflict:
    """The error for a promotion id that is already used for other content."""
    return PromotionConflict(
        f"promotion id {bare(promotion_id)} is taken by other content; choose a new id"
    )


def used(quote_id: str) -> QuoteExpired:
    """The error for a quote that was already used for another promotion."""
    return QuoteExpired(
        f"quote {quote_id[:80]!r} was promoted already; ask for a new one for each promotion"
    )


def expired(quote_id: str) -> QuoteExpired:
    """The error for a quote that is gone or for other content."""
    return QuoteExpired(f"quote {quote_id[:80]!r} is unknown or has expired; ask for a new one")
