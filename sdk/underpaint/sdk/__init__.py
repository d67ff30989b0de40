"""The client library: drafts from an edge node, promotions through an orchestrator.

    from underpaint.sdk import AsyncUnderpaint, DraftRequest, PolishRequest

`AsyncUnderpaint` is the client; `Underpaint` is the same client for code without an event loop.
Calls raise only the errors of `underpaint.sdk.errors`.
"""

from underpaint.contract import errors
from underpaint.contract.accounting import Budget, LedgerEntry, Period, SpendLine, Verification
from underpaint.contract.drafts import Draft, InitImage, Node, Privacy, WithheldDraft
from underpaint.contract.generation import Fit, GenerationRequest
from underpaint.contract.outbox import OutboxItem
from underpaint.contract.policy import Explanation, PolicyCheck, PolicyStatus, Replay
from underpaint.contract.promotion import (
    Account,
    Priority,
    Promotion,
    PromotionEvent,
    PromotionState,
    Quote,
    Receipt,
    Withheld,
)
from underpaint.sdk.blocking import Underpaint
from underpaint.sdk.client import AsyncUnderpaint
from underpaint.sdk.requests import DraftRequest, PolishRequest, new_promotion_id
from underpaint.sdk.settings import Settings

__all__ = [
    "Account",
    "AsyncUnderpaint",
    "Budget",
    "Draft",
    "DraftRequest",
    "Explanation",
    "Fit",
    "GenerationRequest",
    "InitImage",
    "LedgerEntry",
    "Node",
    "OutboxItem",
    "Period",
    "PolicyCheck",
    "PolicyStatus",
    "PolishRequest",
    "Priority",
    "Privacy",
    "Promotion",
    "PromotionEvent",
    "PromotionState",
    "Quote",
    "Receipt",
    "Replay",
    "Settings",
    "SpendLine",
    "Underpaint",
    "Verification",
    "Withheld",
    "WithheldDraft",
    "errors",
    "new_promotion_id",
]
