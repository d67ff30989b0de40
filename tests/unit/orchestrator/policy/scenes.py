"""Policies and candidates that the tests of policy begin from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from underpaint.contract.drafts import Privacy
from underpaint.contract.generation import GenerationRequest
from underpaint.orchestrator.policy import Candidate, Decision, Policy, decide, facts, parse_policy
from underpaint.orchestrator.policy.facts import Fact

from tests.unit.orchestrator.samples import GENERATION, promotion_request

AT = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
FILE = Path("policy.yaml")


def read(text: str, *priced: str) -> Policy:
    return parse_policy(text, FILE, priced or ("full",))


def rule(when: str = "", **outcome: Any) -> str:
    """A policy of one rule; without an outcome it routes to full."""
    (kind, value), *_ = outcome.items() or [("route", "full")]
    line = f"\n    when: {when}" if when else ""
    rest = "" if kind in ("route", "require_approval") else "  - {name: rest, route: full}\n"
    return f"rules:\n  - name: one{line}\n    {kind}: {value}\n{rest}"


def at(engine: str = "full", usd_micros: int = 100_000, **changes: Any) -> Candidate:
    """An engine that asks the same for everything."""
    return Candidate(engine, replace(GENERATION, **changes), lambda _: usd_micros)


def by_the_step(engine: str = "full", **changes: Any) -> Candidate:
    """An engine that asks 1 micro-dollar for each step of 1,024 pixels."""

    def bound(request: GenerationRequest) -> int:
        return request.num_inference_steps * request.width * request.height // 1_024

    return Candidate(engine, replace(GENERATION, **changes), bound)


def shared(privacy: Privacy = Privacy.FULL, asked: str = "", **more: Fact) -> dict[str, Fact]:
    """`more` with _ for the first dot: user_roles=[...]."""
    told = facts.of_request(promotion_request(privacy=privacy), asked, AT)
    return told | {name.replace("_", ".", 1): fact for name, fact in more.items()}


def decided(policy: Policy, *candidates: Candidate, **told: Any) -> Decision:
    return decide(policy, shared(**told), candidates or (at(),))
