"""A promotion's record in the store in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from underpaint.contract.promotion import Promotion, PromotionEvent
from underpaint.orchestrator.pricing.table import EnginePrice
from underpaint.orchestrator.promotions.store import Outcome


@dataclass(slots=True)
class Record:
    """A promotion and the state of its lease and its place in the queue."""

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
    trouble: str = ""  # why it was last put back into the queue
    outcome: Outcome | None = None
    lapses_at: float = 0.0  # when the lease lapses, while it runs
    turn: int | None = None  # the turn at which it was last taken
    waits_until: float = 0.0  # end of the backoff, while it waits
    events: list[PromotionEvent] = field(default_factory=list)
