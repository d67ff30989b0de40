"""Quotes, promotions and what becomes of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final

from underpaint.contract.drafts import Privacy
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.generation import GenerationRequest
from underpaint.contract.pictures import Digest

SCOPE_KINDS: Final = ("organisation", "team", "project", "user")
_PROMOTION_ID: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")


class PromotionState(Enum):
    """Where a promotion stands. SETTLED, RELEASED and EXPIRED are final."""

    WAITING = "waiting"  # for an approval; nothing is reserved
    RESERVED = "reserved"  # paid for up to the quote, waiting for an engine
    RUNNING = "running"  # an engine has it
    SETTLED = "settled"  # done and charged
    RELEASED = "released"  # failed, cancelled or denied; the money is back
    EXPIRED = "expired"  # never finished, or never approved; the money is back
    UNKNOWN = "unknown"  # known to a later version only; it is left to that one

    @classmethod
    def _missing_(cls, value: object) -> PromotionState:
        return cls.UNKNOWN

    @property
    def final(self) -> bool:
        """Whether nothing follows."""
        return self in (
            PromotionState.SETTLED,
            PromotionState.RELEASED,
            PromotionState.EXPIRED,
        )


class Priority(Enum):
    """What is taken first."""

    INTERACTIVE = "interactive"  # somebody waits for it
    BATCH = "batch"  # every fifth turn while interactive work waits, and all others

    @classmethod
    def _missing_(cls, value: object) -> Priority:
        return cls.INTERACTIVE  # what a later version calls otherwise is somebody's, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose money it is. A level left open is called default, so that every one has a path."""

    organisation: str = "default"
    team: str = "default"
    project: str = "default"
    user: str = "default"

    @property
    def scopes(self) -> tuple[str, ...]:
        """Such as "project:acme/growth/web", widest first: a name means what it means below its
        parent, so that two organisations' projects of one name are two."""
        return tuple(f"{kind}:{path}" for kind, path in zip(SCOPE_KINDS, self.paths, strict=True))

    @property
    def path(self) -> str:
        """Such as "acme/growth/web/ann"."""
        return "/".join(getattr(self, kind) for kind in SCOPE_KINDS)

    @property
    def paths(self) -> tuple[str, ...]:
        """The path of each level, widest first."""
        levels = self.path.split("/")
        return tuple("/".join(levels[: depth + 1]) for depth in range(len(levels)))

    @classmethod
    def of(cls, scopes: Sequence[str]) -> Account:
        """The account whose `scopes` these are."""
        levels = scopes[-1].partition(":")[2].split("/")
        return cls(**dict(zip(SCOPE_KINDS, levels, strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionRequest:
    """What is to be polished: everything that price and policy may look at."""

    request: GenerationRequest
    init_image: Digest
    init_width: int
    init_height: int
    privacy: Privacy
    account: Account
    engine: str = ""  # empty lets policy choose
    draft_id: str = ""
    draft_model: str = ""
    draft_seed: int = 0
    draft_count: int = 1
    priority: Priority = Priority.INTERACTIVE
    retry_of: str = ""  # the dead promotion that this repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleVerdict:
    """One rule of the policy and what it said."""

    rule: str
    matched: bool
    decided: bool
    reason: str
    saw: Mapping[str, str] = field(default_factory=dict)  # what it looked at, as JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteLine:
    """One summand of a quote."""

    what: str
    usd_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Who must say yes before any money is reserved, and within what time."""

    role: str
    within_s: int  # seconds from the promotion on


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A priced upper bound: the promotion is never charged more."""

    id: str
    engine: str
    max_usd_micros: int
    price_table_version: str
    expires_at: datetime
    verdicts: tuple[RuleVerdict, ...]
    lines: tuple[QuoteLine, ...]
    cloud_only_usd_micros: int
    request: GenerationRequest  # to be made
    asked: GenerationRequest | None = None  # if policy downgraded it
    approval: Approval | None = None  # if policy asks for one
    policy_version: str = ""  # SHA-256 of the policy's text
    # What policy was told beside the request, as JSON: balances, roles, health of engines.
    facts: Mapping[str, str] = field(default_factory=dict)
    # Soft limits that this would go over, then what is cropped of the draft or added to it.
    warnings: tuple[str, ...] = ()
    priority: Priority = Priority.INTERACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where an artifact comes from."""

    draft_sha256: str
    draft_id: str
    draft_model: str
    draft_seed: int
    engine: str
    model: str
    upscaler: str
    request: GenerationRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The settled outcome."""

    quoted_usd_micros: int
    charged_usd_micros: int
    cloud_only_usd_micros: int
    price_table_version: str
    gpu_seconds: float
    settled_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """The record of one promotion."""

    id: str
    state: PromotionState
    promotion: PromotionRequest
    quote: Quote
    created_at: datetime
    updated_at: datetime
    attempts: int = 0
    reason: str = ""
    approved_by: str = ""
    dead: bool = False  # it ended without a picture, though nobody wanted that
    retried_as: str = ""  # the promotion that repeats it, if it was dead
    artifact: Digest | None = None
    lineage: Lineage | None = None
    receipt: Receipt | None = None
    # Soft limits that it went over when it was reserved, then what the engine said of its result.
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionEvent:
    """One thing that happened to a promotion; ids grow."""

    id: str
    at: datetime
    state: PromotionState
    step: int = 0
    steps: int = 0
    preview: bytes = b""  # a small JPEG, or nothing
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some promotions, newest first, and where the next page begins."""

    promotions: tuple[Promotion, ...]
    next_token: str = ""


def check_promotion_id(promotion_id: str) -> str:
    """The same id.

    Raises:
        InvalidRequest: not 8 to 64 of A-Z a-z 0-9 - _.
    """
    if not _PROMOTION_ID.fullmatch(promotion_id):
        raise InvalidRequest(
            f"promotion id {promotion_id[:80]!r} does not do; use 8 to 64 of A-Z a-z 0-9 - _"
        )
    return promotion_id
