"""Promotions that wait on their node until the orchestrator is in reach."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from underpaint.contract.money import MAX_USD_MICROS

AT_ANY_PRICE: Final = MAX_USD_MICROS  # what is accepted by somebody who wants no questions


class OutboxState(Enum):
    """What a kept promotion waits for."""

    HELD = "held"  # for the orchestrator; it is then sent by itself
    ASKS = "asks"  # for somebody's consent: it would cost more than was accepted
    REFUSED = "refused"  # for somebody to send it again or drop it


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxItem:
    """One promotion in the outbox; it leaves it when the orchestrator has acknowledged it."""

    promotion_id: str
    draft_id: str
    prompt: str
    state: OutboxState
    reason: str  # of the state, for people
    accepted_usd_micros: int  # sent without asking up to this; 0 if no price was accepted
    quoted_usd_micros: int  # the latest quote; 0 if there was none
    kept_at: datetime
