"""Computes what another policy would have decided about stored promotions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from underpaint.contract.policy import Replay, ReplayChange, ReplayLine
from underpaint.contract.promotion import Promotion
from underpaint.orchestrator.policy import facts
from underpaint.orchestrator.policy.facts import FIELDS, Fact
from underpaint.orchestrator.policy.fit import Bound
from underpaint.orchestrator.policy.rules import Candidate, Decision, Policy, decide

OUTCOMES: Final = ("routed", "downgraded", "approval", "refused", "unknown")
MAX_CHANGES: Final = 200


@dataclass(slots=True)
class Replayer:
    """Decides about stored promotions again, by another policy, and adds up the outcomes.

    The facts come from the stored quote and request. If a condition needs a fact that was not
    stored, the outcome is unknown. Requests that were refused when they were quoted are not
    stored, so they are not in the replay.

    The spend is an estimate: the charge, scaled by the price of what would have been made. It
    assumes that every approval would have been given.
    """

    policy: Policy
    bounds: Mapping[str, Bound]  # of every engine with a price, by today's prices
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    before_usd_micros: int = 0
    after_usd_micros: int = 0
    changes: list[ReplayChange] = field(default_factory=list)
    changed: int = 0

    def add(self, promotion: Promotion) -> None:
        """Adds one promotion. Add the newest first: only the first changes are listed."""
        was = outcome_of(promotion)
        charged = promotion.receipt.charged_usd_micros if promotion.receipt else 0
        decision = self._decide(promotion)
        becomes, told = _outcome(decision, promotion) if decision else ("unknown", "")
        if decision is None:
            told = "its engine no longer has a price"
        spent = self._spent(promotion, decision, charged) if becomes != "unknown" else charged
        self.before[was] += 1
        self.after[becomes] += 1
        self.before_usd_micros += charged
        self.after_usd_micros += spent
        if (becomes, spent) == (was, charged) and not (
            decision and decision.engine and decision.engine != promotion.quote.engine
        ):
            return
        self.changed += 1
        if len(self.changes) < MAX_CHANGES:
            self.changes.append(
                ReplayChange(
                    promotion_id=promotion.id,
                    before=was,
                    after=becomes,
                    reason=told,
                    before_usd_micros=charged,
                    after_usd_micros=spent,
                )
            )

    def result(self) -> Replay:
        """The totals and the changes so far."""
        return Replay(
            version=self.policy.version,
            lines=tuple(
                ReplayLine(outcome=name, before=self.before[name], after=self.after[name])
                for name in OUTCOMES
            ),
            before_usd_micros=self.before_usd_micros,
            after_usd_micros=self.after_usd_micros,
            changes=tuple(self.changes),
            changed=self.changed,
        )

    def _decide(self, promotion: Promotion) -> Decision | None:
        quote, request = promotion.quote, promotion.promotion
        asked = quote.asked or quote.request
        # The stored request names the chosen engine; the facts name the one that was asked for.
        asked_engine = str(_fact("request.engine", quote.facts) or "")
        engines = (asked_engine,) if asked_engine else self.policy.engines
        try:
            candidates = [Candidate(name, asked, self.bounds[name]) for name in engines]
        except KeyError:
            return None
        told = facts.of_request(request, asked_engine, promotion.created_at)
        for name in quote.facts:
            fact = _fact(name, quote.facts)
            if fact is not None:
                told[name] = fact
        return decide(self.policy, told, candidates)

    def _spent(self, promotion: Promotion, decision: Decision | None, charged: int) -> int:
        if decision is None or decision.request is None or not charged:
            return 0
        quote = promotion.quote
        if (decision.engine, decision.request) == (quote.engine, quote.request):
            return charged
        made = self.bounds.get(quote.engine)
        base = made(quote.request) if made else quote.max_usd_micros
        return -(-charged * self.bounds[decision.engine](decision.request) // max(1, base))


def outcome_of(promotion: Promotion) -> str:
    """The outcome under the policy that was in force at the time."""
    if promotion.quote.approval:
        return "approval"
    return "downgraded" if promotion.quote.asked else "routed"


def _outcome(decision: Decision, promotion: Promotion) -> tuple[str, str]:
    told = decision.verdicts[-1].reason if decision.verdicts else ""
    told = f"{decision.rule}: {told}" if decision.rule else str(decision.refusal)
    if decision.unknown:
        return "unknown", told
    if decision.refusal:
        return "refused", told
    if decision.approval:
        return "approval", told
    asked = promotion.quote.asked or promotion.quote.request
    return ("routed" if decision.request == asked else "downgraded"), told


def _fact(name: str, stored: Mapping[str, str]) -> Fact | None:
    """A stored fact; None if it was not stored or this version does not know it."""
    if name not in stored or name not in FIELDS:
        return None
    value: Fact = json.loads(stored[name])
    return datetime.fromisoformat(str(value)) if FIELDS[name].kind == "timestamp" else value
