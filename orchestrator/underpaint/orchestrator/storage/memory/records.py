"""A promotion as the store in memory keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field

from underpaint.contract.promotion import Promotion, PromotionEvent
from underpaint.orchestrator.pricing.table import EnginePrice
from underpaint.orchestrator.promotions.store import Outcome


@dataclass(slots=True)
class Record:
    """A promotion and what must be known of it besides."""

    promotion: Promotion
    content: str
    price: EnginePrice
    number: int
    expires_at: float
    party: str
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
