"""Functions that handle policy texts of callers. They run only in an isolated process."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from underpaint.contract.policy import ExplainedRule, PolicyCheck, Replay
from underpaint.contract.promotion import Promotion, Quote
from underpaint.orchestrator import pricing
from underpaint.orchestrator.policy.explaining import explain
from underpaint.orchestrator.policy.reading import check, parse_policy
from underpaint.orchestrator.policy.replaying import Replayer

NAME: Final = Path("policy")  # stands for the file name in errors
_replayers: Final[list[Replayer]] = []  # the replay of this process, once it has begun


def checked(text: str, priced: Collection[str], roles: Collection[str] | None) -> PolicyCheck:
    """Checks a policy."""
    policy, problems = check(text, NAME, priced, roles)
    if policy is None:
        return PolicyCheck(version="", rules=0, problems=problems)
    return PolicyCheck(version=policy.version, rules=len(policy.rules))


def explained(text: str, quote: Quote) -> tuple[ExplainedRule, ...]:
    """Each rule of an older policy with its verdict.

    Raises:
        InvalidRequest: this version cannot read the policy.
    """
    # None: its engines had prices then, and need none now.
    return explain(quote, parse_policy(text, NAME, None).rules)


def begin_replay(text: str, prices: Mapping[str, pricing.EnginePrice]) -> None:
    """Begins a replay with a policy.

    Raises:
        InvalidRequest: the policy has errors; names them.
    """
    policy = parse_policy(text, NAME, prices.keys())
    bounds = {name: pricing.bound_of(price) for name, price in prices.items()}
    _replayers[:] = [Replayer(policy=policy, bounds=bounds)]


def add_to_replay(promotions: Sequence[Promotion]) -> None:
    """Adds promotions to the replay, newest first."""
    for promotion in promotions:
        _replayers[0].add(promotion)


def replay_result() -> Replay:
    """The result of the replay."""
    return _replayers[0].result()
