"""Promotions that wait on their node until the orchestrator can be reached."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from underpaint.contract.money import MAX_USD_MICROS

AT_ANY_PRICE: Final = MAX_USD_MICROS  # the accepted price if every price is accepted


class OutboxState(Enum):
    """The state of a promotion in the outbox."""

    HELD = "held"  # waits for the orchestrator, and is then sent
    ASKS = "asks"  # waits for consent, because it would cost more than was accepted
    REFUSED = "refused"  # was refused; waits for somebody to send it again or to drop it


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxItem:
    """One promotion in the outbox; it stays there until the orchestrator acknowledges it."""

    promotion_id: str
    draft_id: str
    prompt: str
    state: OutboxState
    reason: str  # explains the state, for people
    accepted_usd_micros: int  # sent without asking up to this price; 0 if none was accepted
    quoted_usd_micros: int  # the latest quote; 0 if there was none
    kept_at: datetime
