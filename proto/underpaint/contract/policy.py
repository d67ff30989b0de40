"""The domain values about policies: status, problems, explanations and replays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from underpaint.contract.promotion import Promotion, RuleVerdict


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class PolicyProblem:
    """One problem of a policy, and its line, counted from 1."""

    line: int
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyCheck:
    """The result of checking a policy."""

    version: str  # SHA-256 of the text; "" if there are problems
    rules: int
    problems: tuple[PolicyProblem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStatus:
    """The policy in force, and the problems of a newer text in its file."""

    version: str
    text: str
    since: datetime
    file: str
    problems: tuple[PolicyProblem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedRule:
    """A rule of the policy at that time, with its verdict."""

    verdict: RuleVerdict
    reached: bool  # whether it was tried: False if an earlier rule had decided
    line: int
    when: str  # the condition; "" if it always applies
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a promotion was routed as it was."""

    promotion: Promotion
    rules: tuple[ExplainedRule, ...]
    in_force: bool  # whether that policy is still in force


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayLine:
    """How many promotions have one outcome."""

    outcome: str  # routed, downgraded, approval, refused, unknown
    before: int
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayChange:
    """A promotion about which another policy would have decided differently."""

    promotion_id: str
    before: str
    after: str
    reason: str
    before_usd_micros: int
    after_usd_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What happened, and what another policy would have decided. Money is in micro-dollars."""

    version: str
    lines: tuple[ReplayLine, ...]
    before_usd_micros: int  # what was charged
    after_usd_micros: int  # an estimate of what would have been charged
    changes: tuple[ReplayChange, ...]  # the newest changes
    changed: int  # how many changes there are in all
