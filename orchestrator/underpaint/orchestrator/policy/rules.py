"""The rules of a policy, and how they decide about a promotion: the first that takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

from underpaint.contract.errors import PolicyRefused, PrivacyViolation
from underpaint.contract.generation import GenerationRequest
from underpaint.contract.money import format_usd
from underpaint.contract.promotion import RuleVerdict
from underpaint.orchestrator.policy import facts
from underpaint.orchestrator.policy.expressions import Condition, Scene, Unjudged, in_words
from underpaint.orchestrator.policy.facts import FIELDS, Facts
from underpaint.orchestrator.policy.fit import NO_LIMITS, Bound, Limits, beyond, fit


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Refuses the promotion, with a reason."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Routes a promotion within the limits and the ceiling to an engine; leaves others."""

    engine: str
    most: Limits = NO_LIMITS
    ceiling_usd_micros: int | None = None
    charges_flagged: bool = False  # charge the engine's time if a safety checker flags the picture


@dataclass(frozen=True, slots=True, kw_only=True)
class RequireApproval(Route):
    """As Route, after somebody with a role has approved."""

    role: str
    within_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Downgrade(Route):
    """As Route, but reduces steps and then size until the request is within the limits."""

    least: Limits = NO_LIMITS


Outcome: TypeAlias = Refuse | Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: a condition and an outcome."""

    name: str
    line: int  # in its file, from 1
    when: Condition | None  # None: always
    outcome: Outcome

    @property
    def engine(self) -> str:
        """The engine that it routes to; "" if it refuses."""
        return self.outcome.engine if isinstance(self.outcome, Route) else ""

    @property
    def by_engine(self) -> bool:
        """Whether its condition may be true for one engine and false for another."""
        return any(FIELDS[name].by_engine for name in self.fields)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that its condition uses."""
        return self.when.fields if self.when else ()


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Ordered rules; the version is the SHA-256 of the text they were read from."""

    version: str
    text: str
    rules: tuple[Rule, ...]

    @cached_property
    def engines(self) -> tuple[str, ...]:
        """Every engine that a rule routes to, in order."""
        return tuple(dict.fromkeys(rule.engine for rule in self.rules if rule.engine))

    @cached_property
    def fields(self) -> frozenset[str]:
        """Every field that a condition uses, so that only these facts need be gathered."""
        return frozenset(name for rule in self.rules for name in rule.fields)

    @property
    def roles(self) -> dict[str, int]:
        """Every role that a rule asks to approve, with the line of the rule."""
        return {
            rule.outcome.role: rule.line
            for rule in self.rules
            if isinstance(rule.outcome, RequireApproval)
        }


class Candidate:
    """An engine that could make the promotion, with the request and the price there."""

    def __init__(self, engine: str, request: GenerationRequest, bound: Bound) -> None:
        """`bound` returns what a request costs there at most, in micro-dollars."""
        self.engine = engine
        self.request = request
        self.bound = bound
        self.max_usd_micros = bound(request)


_Place: TypeAlias = tuple[Candidate, Scene]  # a candidate and the facts there


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The engine or the refusal, and the verdict of every rule up to the one that decided."""

    engine: str = ""
    request: GenerationRequest | None = None  # what to make; smaller than asked if downgraded
    approval: RequireApproval | None = None  # needed before the work starts
    charges_flagged: bool = False  # see Route
    refusal: PolicyRefused | PrivacyViolation | None = None
    unknown: bool = False  # refused because a condition could not be evaluated
    rule: str = ""  # name of the rule that decided; "" if none did
    verdicts: tuple[RuleVerdict, ...] = ()


def decide(policy: Policy, shared: Facts, candidates: Sequence[Candidate]) -> Decision:
    """Tries the rules in order.

    A refusing rule must hold for every candidate: a promotion is not too expensive while one
    engine is cheap enough. A routing rule is evaluated only for its own engine. A condition that
    cannot be evaluated refuses the promotion, so that nothing is routed by accident.

    Args:
        policy: the rules.
        shared: the facts that are the same for every engine; unknown ones may be missing.
        candidates: the engine that was asked for, or all possible ones; at least one.
    """
    places = {each.engine: _place(each, shared) for each in candidates}
    verdicts: list[RuleVerdict] = []
    for rule in policy.rules:
        verdict, decision = _tried(rule, places)
        verdicts.append(verdict)
        if decision:
            return replace(decision, rule=rule.name, verdicts=tuple(verdicts))
    nothing = PolicyRefused("no rule of the policy takes this promotion; add one that routes it")
    return Decision(refusal=nothing, verdicts=tuple(verdicts))


def _place(candidate: Candidate, shared: Facts) -> _Place:
    own = facts.at_engine(candidate.engine, candidate.request, candidate.max_usd_micros)
    return candidate, Scene({**shared, **own})


def _tried(rule: Rule, places: Mapping[str, _Place]) -> tuple[RuleVerdict, Decision | None]:
    """The verdict of one rule, and its decision, if it comes to one."""
    if rule.engine and rule.engine not in places:
        return _verdict(rule, f"another engine was asked for than {rule.engine}"), None
    looked = [places[rule.engine]] if rule.engine else list(places.values())
    saw: dict[str, str] = {}
    try:
        for _, scene in looked if rule.by_engine else looked[:1]:
            saw = scene.shown(rule.fields)
            if rule.when and not rule.when.holds(scene):
                return _verdict(rule, in_words(saw), saw), None
    except Unjudged as problem:
        told = f"rule {rule.name} cannot be evaluated: {problem}"
        refusal = PolicyRefused(f"{told}; ask an operator to correct the policy")
        return _verdict(rule, told, saw, decided=True), Decision(refusal=refusal, unknown=True)
    if isinstance(rule.outcome, Refuse):
        told = rule.outcome.reason
        decision = Decision(refusal=_refusal(rule, rule.outcome))
        return _verdict(rule, told, saw, matched=True, decided=True), decision
    request, told = _taken(rule.outcome, places[rule.engine][0])
    if request is None:
        return _verdict(rule, told, saw, matched=True), None
    approval = rule.outcome if isinstance(rule.outcome, RequireApproval) else None
    decision = Decision(
        engine=rule.engine,
        request=request,
        approval=approval,
        charges_flagged=rule.outcome.charges_flagged,
    )
    return _verdict(rule, told, saw, matched=True, decided=True), decision


def _taken(route: Route, candidate: Candidate) -> tuple[GenerationRequest | None, str]:
    """The request that the engine would get, or None if the rule does not apply; and why."""
    asked, ceiling = candidate.request, route.ceiling_usd_micros
    if isinstance(route, Downgrade):
        least = route.least
        fitted = fit(
            asked, candidate.bound, ceiling_usd_micros=ceiling, most=route.most, least=least
        )
        if fitted is None:
            at_most = f" for {format_usd(ceiling)}" if ceiling is not None else ""
            return None, f"cannot be made to fit{at_most} at {route.engine}"
        return fitted, f"goes to {route.engine}{_change(asked, fitted)}"
    if told := beyond(asked, route.most):
        return None, told
    if ceiling is not None and candidate.max_usd_micros > ceiling:
        cost = format_usd(candidate.max_usd_micros)
        return None, f"costs {cost} at most, and it takes up to {format_usd(ceiling)}"
    if isinstance(route, RequireApproval):
        return asked, f"goes to {route.engine} once somebody with role {route.role} approves"
    return asked, f"goes to {route.engine}"


def _change(asked: GenerationRequest, fitted: GenerationRequest) -> str:
    changes = []
    if fitted.num_inference_steps != asked.num_inference_steps:
        changes.append(f"{fitted.num_inference_steps} steps for {asked.num_inference_steps}")
    if (fitted.width, fitted.height) != (asked.width, asked.height):
        changes.append(f"{fitted.width} x {fitted.height} for {asked.width} x {asked.height}")
    return f" with {', '.join(changes)}" if changes else ""


def _verdict(
    rule: Rule,
    told: str,
    saw: Mapping[str, str] | None = None,
    *,
    matched: bool = False,
    decided: bool = False,
) -> RuleVerdict:
    return RuleVerdict(rule=rule.name, matched=matched, decided=decided, reason=told, saw=saw or {})


def _refusal(rule: Rule, refuse: Refuse) -> PolicyRefused | PrivacyViolation:
    if rule.fields == ("draft.privacy",):
        return PrivacyViolation(refuse.reason)
    return PolicyRefused(f"{refuse.reason} (rule {rule.name})")
