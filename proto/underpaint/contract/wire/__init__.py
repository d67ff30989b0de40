"""Converts protobuf messages to domain values and back; only this package knows both.

Policies have a module of their own, `wire.policy`, whose names would be too short here.
"""

from underpaint.contract.wire.accounting import (
    PERIOD_TO_WIRE,
    budget_from_wire,
    budget_to_wire,
    entry_from_wire,
    entry_to_wire,
    period_from_wire,
    spend_from_wire,
    spend_to_wire,
    verification_from_wire,
    verification_to_wire,
)
from underpaint.contract.wire.drafts import (
    PRIVACY_TO_WIRE,
    draft_from_wire,
    draft_to_wire,
    node_from_wire,
    node_to_wire,
    privacy_from_wire,
)
from underpaint.contract.wire.engines import engine_from_wire, engine_to_wire
from underpaint.contract.wire.generation import (
    Defaults,
    digest_from_wire,
    digest_to_wire,
    generation_from_wire,
    generation_to_wire,
    progress_from_wire,
    progress_to_wire,
    time_from_wire,
    time_to_wire,
)
from underpaint.contract.wire.outbox import (
    outbox_item_from_wire,
    outbox_item_to_wire,
)
from underpaint.contract.wire.promotions import (
    STATE_TO_WIRE,
    event_from_wire,
    event_to_wire,
    input_digests_from_wire,
    promotion_from_wire,
    promotion_request_from_wire,
    promotion_request_to_wire,
    promotion_to_wire,
)
from underpaint.contract.wire.quotes import (
    PRIORITY_TO_WIRE,
    priority_from_wire,
    quote_from_wire,
    quote_to_wire,
    verdict_from_wire,
    verdict_to_wire,
)

__all__ = [
    "PERIOD_TO_WIRE",
    "PRIORITY_TO_WIRE",
    "PRIVACY_TO_WIRE",
    "STATE_TO_WIRE",
    "Defaults",
    "budget_from_wire",
    "budget_to_wire",
    "digest_from_wire",
    "digest_to_wire",
    "draft_from_wire",
    "draft_to_wire",
    "engine_from_wire",
    "engine_to_wire",
    "entry_from_wire",
    "entry_to_wire",
    "event_from_wire",
    "event_to_wire",
    "generation_from_wire",
    "generation_to_wire",
    "input_digests_from_wire",
    "node_from_wire",
    "node_to_wire",
    "outbox_item_from_wire",
    "outbox_item_to_wire",
    "period_from_wire",
    "priority_from_wire",
    "privacy_from_wire",
    "progress_from_wire",
    "progress_to_wire",
    "promotion_from_wire",
    "promotion_request_from_wire",
    "promotion_request_to_wire",
    "promotion_to_wire",
    "quote_from_wire",
    "quote_to_wire",
    "spend_from_wire",
    "spend_to_wire",
    "time_from_wire",
    "time_to_wire",
    "verdict_from_wire",
    "verdict_to_wire",
    "verification_from_wire",
    "verification_to_wire",
]
