"""What is told about a policy: its state, its reasons, and what another one would have done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from underpaint.contract.promotion import Promotion, RuleVerdict


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class PolicyProblem:
    """One thing that is wrong, and the line it stands on, from 1."""

    line: int
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyCheck:
    """What is wrong with a policy; nothing, if it has a version."""

    version: str  # SHA-256 of the text; empty if there is a problem
    rules: int
    problems: tuple[PolicyProblem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStatus:
    """The policy in force, and why what its file holds by now is not."""

    version: str
    text: str
    since: datetime
    file: str
    problems: tuple[PolicyProblem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedRule:
    """A rule as it stood, beside what it said."""

    verdict: RuleVerdict
    reached: bool  # no earlier rule had decided
    line: int
    when: str  # empty: always
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a promotion went where it did."""

    promotion: Promotion
    rules: tuple[ExplainedRule, ...]
    in_force: bool  # whether that policy still is


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayLine:
    """How many promotions ended in one way."""

    outcome: str  # routed, downgraded, approval, refused, unknown
    before: int
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayChange:
    """A promotion that another policy would have treated otherwise."""

    promotion_id: str
    before: str
    after: str
    reason: str
    before_usd_micros: int
    after_usd_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What another policy would have done, beside what happened; money in micro-dollars."""

    version: str
    lines: tuple[ReplayLine, ...]
    before_usd_micros: int  # charged
    after_usd_micros: int  # by estimate
    changes: tuple[ReplayChange, ...]  # the newest of them
    changed: int
