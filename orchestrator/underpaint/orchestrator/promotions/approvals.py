"""Promotions that wait until somebody with a role approves them.

While one waits no money is reserved, so that what is never approved blocks nobody; its quote
stays open, and its price fixed, until the time is over. Approving reserves and enqueues in
one atomic step, by the budgets as they then are. One suite runs on both implementations.
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
    """Any method may raise LedgerUnavailable: then nothing is known to be done.

    `PromotionStore.promote` with `approved_by` ends the waiting the other way.
    """

    async def wait(
        self,
        promotion_id: str,
        content: str,
        request: PromotionRequest,
        open_quote: OpenQuote,
        approval: Approval,
    ) -> Promotion:
        """Keeps a promotion for its approval; the same id and content answers with what is stored.

        Raises:
            PromotionConflict: the id is taken by other content.
            QuoteExpired: the quote is gone or for other content.
        """

    async def end(self, promotion_id: str, reason: str) -> bool:
        """Releases a promotion if it waits, and leaves any other; says whether it did."""

    async def lapse(self, most: int) -> int:
        """Expires promotions that nobody approved in time; says how many."""


def waiting_for(approval: Approval) -> str:
    """What a promotion waits for, in words."""
    return (
        f"waiting for somebody with role {approval.role} to approve it, "
        f"at most {format_duration(approval.within_s)}; nothing is reserved"
    )


def not_waiting(promotion: Promotion) -> NotWaiting:
    """The error for what can be approved or denied no more."""
    if promotion.state is PromotionState.WAITING:
        told = "its time is over"
    elif promotion.approved_by:
        told = f"{promotion.approved_by} has approved it"
    else:
        told = promotion.reason or f"it is {promotion.state.value}"
    return NotWaiting(f"promotion {bare(promotion.id)} does not wait for an approval: {told}")


async def lapse_for_ever(approvals: Approvals) -> None:
    """Expires what nobody approved, as its time comes; never returns."""
    while True:
        try:
            lapsed = await approvals.lapse(LAPSE_AT_ONCE)
            if lapsed:
                log.info("%d promotions were not approved in time", lapsed)
        except LedgerUnavailable as error:
            log.warning("no approval lapses for now: %s", error)
        except Exception:
            log.exception("no approval lapses for now")  # one bad round is not the last
        await asyncio.sleep(LAPSE_EVERY_S)


LAPSED: Final = "nobody approved it in time"
