"""Whether a promotion goes ahead and where to: ordered rules, pure.

Nothing is read in here: what a rule may look at is an argument.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from underpaint.contract.drafts import Privacy
from underpaint.contract.errors import InvalidRequest, PolicyRefused, PrivacyViolation
from underpaint.contract.money import format_usd, parse_usd
from underpaint.contract.promotion import RuleVerdict
from underpaint.orchestrator.documents import Entry, read

_CONDITIONS: Final = frozenset({"privacy", "cost_above_usd", "pixels_above", "side_above"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An engine that could take the promotion, and what it would make and cost there."""

    engine: str
    privacy: Privacy
    max_usd_micros: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Conditions that must all hold, and one outcome: an engine, or a reason to refuse."""

    name: str
    privacy: frozenset[Privacy] = frozenset()  # empty: any
    cost_above_usd_micros: int | None = None
    pixels_above: int | None = None
    side_above: int | None = None
    route: str = ""
    refuse: str = ""

    @property
    def always(self) -> bool:
        """Whether there is no condition."""
        return not self.privacy and (
            self.cost_above_usd_micros is self.pixels_above is self.side_above is None
        )

    def unmet(self, candidate: Candidate) -> str:
        """The first condition that does not hold, in words; empty if all do."""
        if self.privacy and candidate.privacy not in self.privacy:
            return f"privacy is {candidate.privacy.value}"
        cost, limit = candidate.max_usd_micros, self.cost_above_usd_micros
        if limit is not None and cost <= limit:
            return f"costs {format_usd(cost)} at most, which is not above {format_usd(limit)}"
        pixels = candidate.width * candidate.height
        if self.pixels_above is not None and pixels <= self.pixels_above:
            return f"has {pixels:,} pixels, not above {self.pixels_above:,}"
        side = max(candidate.width, candidate.height)
        if self.side_above is not None and side <= self.side_above:
            return f"its longer side is {side}, not above {self.side_above}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Ordered rules, under a version; the first that matches decides."""

    version: str
    rules: tuple[Rule, ...]

    @property
    def engines(self) -> tuple[str, ...]:
        """Every engine that a rule routes to, in order."""
        return tuple(dict.fromkeys(rule.route for rule in self.rules if rule.route))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The engine that takes it, or the refusal; and every rule up to the one that decided."""

    engine: str
    refusal: PolicyRefused | PrivacyViolation | None
    verdicts: tuple[RuleVerdict, ...]


def decide(policy: Policy, candidates: Sequence[Candidate]) -> Decision:
    """Tries the rules in order.

    A rule that refuses matches if its conditions hold for every candidate: it is not too
    dear while one engine is cheap enough. A rule that routes looks at its own engine only.

    Args:
        policy: the rules.
        candidates: the engine that was asked for, or all that could take it; at least one.
    """
    verdicts: list[RuleVerdict] = []
    by_engine = {candidate.engine: candidate for candidate in candidates}
    for rule in policy.rules:
        if rule.route and rule.route not in by_engine:
            unmet = f"another engine was asked for than {rule.route}"
        elif rule.route:
            unmet = rule.unmet(by_engine[rule.route])
        else:
            unmet = next((why for each in candidates if (why := rule.unmet(each))), "")
        outcome = f"goes to {rule.route}" if rule.route else rule.refuse
        verdicts.append(
            RuleVerdict(
                rule=rule.name, matched=not unmet, decided=not unmet, reason=unmet or outcome
            )
        )
        if not unmet:
            return Decision(engine=rule.route, refusal=_refusal(rule), verdicts=tuple(verdicts))
    nothing = PolicyRefused("no rule of the policy takes this promotion; add one that routes it")
    return Decision(engine="", refusal=nothing, verdicts=tuple(verdicts))


def load(file: Path, priced: Collection[str]) -> Policy:
    """Reads and checks a policy.

    Args:
        file: YAML.
        priced: names of the engines that have a price.

    Raises:
        InvalidRequest: names the line and the field.
    """
    fields = read(file).fields(required=frozenset({"version", "rules"}))
    rules: list[Rule] = []
    for entry in fields["rules"]:
        rule = _rule(entry, priced)
        if rules and rules[-1].always:
            raise entry.wrong(f"can never decide: {rules[-1].name!r} before it takes everything")
        if any(rule.name == other.name for other in rules):
            raise entry.wrong(f"is a second rule named {rule.name!r}")
        rules.append(rule)
    if not rules:
        raise fields["rules"].wrong("holds no rule")
    policy = Policy(version=fields["version"].text(), rules=tuple(rules))
    if not policy.engines:
        raise fields["rules"].wrong("route nothing: add a rule with `route: ENGINE`")
    return policy


def _refusal(rule: Rule) -> PolicyRefused | PrivacyViolation | None:
    if rule.route:
        return None
    if rule.privacy:
        return PrivacyViolation(rule.refuse)
    return PolicyRefused(f"{rule.refuse} (rule {rule.name})")


def _rule(entry: Entry, priced: Collection[str]) -> Rule:
    fields = entry.fields(
        required=frozenset({"name"}), optional=frozenset({"when", "route", "refuse"})
    )
    if ("route" in fields) == ("refuse" in fields):
        raise entry.wrong("needs one outcome: `route: ENGINE` or `refuse: REASON`")
    route = fields["route"].text() if "route" in fields else ""
    if route and route not in priced:
        raise fields["route"].wrong(
            f"names engine {route!r}, which has no price; priced: {', '.join(sorted(priced))}"
        )
    when = fields["when"].fields(optional=_CONDITIONS) if "when" in fields else {}
    return Rule(
        name=fields["name"].text(),
        privacy=_privacy(when["privacy"]) if "privacy" in when else frozenset(),
        cost_above_usd_micros=_dollars(when["cost_above_usd"])
        if "cost_above_usd" in when
        else None,
        pixels_above=when["pixels_above"].whole(0, 10**9) if "pixels_above" in when else None,
        side_above=when["side_above"].whole(0, 10**5) if "side_above" in when else None,
        route=route,
        refuse=fields["refuse"].text() if "refuse" in fields else "",
    )


def _privacy(entry: Entry) -> frozenset[Privacy]:
    found = set()
    for each in (entry,) if entry.is_text else entry:
        if each.text() not in {privacy.value for privacy in Privacy}:
            raise each.wrong(f"is {each.text()!r}; use device, structure or full")
        found.add(Privacy(each.text()))
    if not found:
        raise entry.wrong("is empty: name device, structure or full")
    return frozenset(found)


def _dollars(entry: Entry) -> int:
    try:
        return parse_usd(entry.text())
    except InvalidRequest as error:
        raise entry.wrong(str(error)) from None
