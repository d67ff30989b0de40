"""The domain values of quotes and promotions."""

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
    """The state of a promotion. SETTLED, RELEASED and EXPIRED are final."""

    WAITING = "waiting"  # waits for an approval; nothing is reserved yet
    RESERVED = "reserved"  # the quoted money is reserved; waits for an engine
    RUNNING = "running"  # an engine is working on it
    SETTLED = "settled"  # finished and charged
    RELEASED = "released"  # failed, withheld, cancelled or denied; nothing is charged
    EXPIRED = "expired"  # not finished or not approved in time; nothing is charged
    UNKNOWN = "unknown"  # a state that only a later version knows

    @classmethod
    def _missing_(cls, value: object) -> PromotionState:
        return cls.UNKNOWN

    @property
    def final(self) -> bool:
        """Whether the promotion has ended."""
        return self in (
            PromotionState.SETTLED,
            PromotionState.RELEASED,
            PromotionState.EXPIRED,
        )


class Withheld(Enum):
    """Why a picture that an engine made is not delivered."""

    NO = ""  # it is delivered, or there is none
    FLAGGED = "flagged"  # a safety checker flagged it
    UNUSABLE = "unusable"  # it is not finite, or has only one colour

    @classmethod
    def _missing_(cls, value: object) -> Withheld:
        return cls.UNUSABLE  # a reason that only a later version knows


class Priority(Enum):
    """Which work runs first."""

    INTERACTIVE = "interactive"  # somebody is waiting for the picture
    BATCH = "batch"  # runs when no interactive work waits, and in every fifth turn otherwise

    @classmethod
    def _missing_(cls, value: object) -> Priority:
        return cls.INTERACTIVE  # a priority that only a later version knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose money is spent. A level that is not given is called "default"."""

    organisation: str = "default"
    team: str = "default"
    project: str = "default"
    user: str = "default"

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scope of each level, such as "project:acme/growth/web", widest first.

        A scope holds the whole path, so projects of the same name in two organisations differ.
        """
        return tuple(f"{kind}:{path}" for kind, path in zip(SCOPE_KINDS, self.paths, strict=True))

    @property
    def path(self) -> str:
        """The whole path, such as "acme/growth/web/ann"."""
        return "/".join(getattr(self, kind) for kind in SCOPE_KINDS)

    @property
    def paths(self) -> tuple[str, ...]:
        """The path of each level, widest first."""
        levels = self.path.split("/")
        return tuple("/".join(levels[: depth + 1]) for depth in range(len(levels)))

    @classmethod
    def of(cls, scopes: Sequence[str]) -> Account:
        """The account with these `scopes`."""
        levels = scopes[-1].partition(":")[2].split("/")
        return cls(**dict(zip(SCOPE_KINDS, levels, strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionRequest:
    """What to make from a draft: everything that the price and the policy depend on."""

    request: GenerationRequest
    init_image: Digest
    init_width: int
    init_height: int
    privacy: Privacy
    account: Account
    engine: str = ""  # "" lets the policy choose
    draft_id: str = ""
    draft_model: str = ""
    draft_seed: int = 0
    draft_count: int = 1
    priority: Priority = Priority.INTERACTIVE
    retry_of: str = ""  # the dead promotion that this one retries


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleVerdict:
    """One rule of the policy and its verdict."""

    rule: str
    matched: bool
    decided: bool
    reason: str
    saw: Mapping[str, str] = field(default_factory=dict)  # the fields it used, as JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteLine:
    """One line of a quote; the lines add up to its total."""

    what: str
    usd_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Who must approve before any money is reserved, and within what time."""

    role: str
    within_s: int  # seconds after the promotion was made


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The most that a promotion may cost; it is never charged more."""

    id: str
    engine: str
    max_usd_micros: int
    price_table_version: str
    expires_at: datetime
    verdicts: tuple[RuleVerdict, ...]
    lines: tuple[QuoteLine, ...]
    cloud_only_usd_micros: int
    request: GenerationRequest  # what will be made
    asked: GenerationRequest | None = None  # what was asked, if the policy downgraded it
    approval: Approval | None = None  # if the policy asks for one
    policy_version: str = ""  # SHA-256 of the policy's text
    # The facts that the policy used beside the request, as JSON: balances, roles, engine health.
    facts: Mapping[str, str] = field(default_factory=dict)
    # Soft limits that this would exceed, then how the draft is cropped or padded.
    warnings: tuple[str, ...] = ()
    priority: Priority = Priority.INTERACTIVE
    # Whether the engine's time is charged, too, if a safety checker flags the picture.
    charges_flagged: bool = False


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
    """What a settled promotion cost."""

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
    dead: bool = False  # ended without a picture, and was not cancelled or denied
    retried_as: str = ""  # the promotion that retries it, if it was dead
    # Why its picture is not delivered. It is then dead: released, or settled if the quote says so.
    withheld: Withheld = Withheld.NO
    artifact: Digest | None = None
    lineage: Lineage | None = None
    receipt: Receipt | None = None
    # Soft limits that its reservation exceeded, then warnings of the engine.
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionEvent:
    """One event of a promotion; later events have higher ids."""

    id: str
    at: datetime
    state: PromotionState
    step: int = 0
    steps: int = 0
    preview: bytes = b""  # a small JPEG, or empty
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of promotions, newest first; `next_token` is "" on the last page."""

    promotions: tuple[Promotion, ...]
    next_token: str = ""


def check_promotion_id(promotion_id: str) -> str:
    """Returns the id if a client may choose it.

    Raises:
        InvalidRequest: not 8 to 64 of A-Z a-z 0-9 - _.
    """
    if not _PROMOTION_ID.fullmatch(promotion_id):
        raise InvalidRequest(
            f"promotion id {promotion_id[:80]!r} is not valid; use 8 to 64 of A-Z a-z 0-9 - _"
        )
    return promotion_id
