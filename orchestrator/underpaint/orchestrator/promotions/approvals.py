"""Promotions that wait until somebody with a role approves them.

No money is reserved while a promotion waits, so one that is never approved blocks nobody. Its
quote and price stay valid until the waiting time is over. Approving checks the budgets as they
are then, reserves the money and enqueues the work in one atomic step. The same conformance
tests run on both implementations.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Protocol

from underpaint.contract.durations import format_duration
from underpaint.contract.errors import LedgerUnavailable, NotWaiting
from underpaint.contract.promotion import Approval, Promotion, PromotionRequest, PromotionState
from underpaint.orchestrator.names import bare
from underpaint.orchestrator.promotions.store import OpenQuote

log = logging.getLogger(__name__)

LAPSE_EVERY_S: Final = 2.0
LAPSE_AT_ONCE: Final = 100


class Approvals(Protocol):
    """Stores promotions that wait for an approval.

    Any method may raise LedgerUnavailable: then it is unknown whether the change was made.
    To approve, call `PromotionStore.promote` with `approved_by`.
    """

    async def wait(
        self,
        promotion_id: str,
        content: str,
        request: PromotionRequest,
        open_quote: OpenQuote,
        approval: Approval,
    ) -> Promotion:
        """Stores a promotion that waits. The same id and content again returns what is stored.

        Raises:
            PromotionConflict: the id is taken by other content.
            QuoteExpired: the quote has expired, was used, or is for other content.
        """

    async def end(self, promotion_id: str, reason: str) -> bool:
        """Ends a promotion if it is waiting, and returns whether it was."""

    async def lapse(self, most: int) -> int:
        """Expires up to `most` promotions that nobody approved in time; returns how many."""


def waiting_for(approval: Approval) -> str:
    """The message of a promotion that waits for an approval."""
    return (
        f"waiting for somebody with role {approval.role} to approve it, "
        f"at most {format_duration(approval.within_s)}; nothing is reserved"
    )


def not_waiting(promotion: Promotion) -> NotWaiting:
    """The error for a promotion that can no longer be approved or denied."""
    if promotion.state is PromotionState.WAITING:
        told = "its time is over"
    elif promotion.approved_by:
        told = f"{promotion.approved_by} has approved it"
    else:
        told = promotion.reason or f"it is {promotion.state.value}"
    return NotWaiting(f"promotion {bare(promotion.id)} does not wait for an approval: {told}")


async def lapse_for_ever(approvals: Approvals) -> None:
    """Keeps expiring promotions that nobody approved in time; never returns."""
    while True:
        try:
            lapsed = await approvals.lapse(LAPSE_AT_ONCE)
            if lapsed:
                log.info("%d promotions were not approved in time", lapsed)
        except LedgerUnavailable as error:
            log.warning("waiting promotions cannot be expired for now: %s", error)
        except Exception:  # the next round may succeed
            log.exception("waiting promotions cannot be expired for now")
        await asyncio.sleep(LAPSE_EVERY_S)


LAPSED: Final = "nobody approved it in time"
