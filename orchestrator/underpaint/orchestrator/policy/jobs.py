"""What is done with policy texts of others; called in an isolated process only."""

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

NAME: Final = Path("policy")  # of a text that has no file
_replayers: Final[list[Replayer]] = []  # of this process: one, once it has begun


def checked(text: str, priced: Collection[str], roles: Collection[str] | None) -> PolicyCheck:
    """What is wrong with a policy."""
    policy, problems = check(text, NAME, priced, roles)
    if policy is None:
        return PolicyCheck(version="", rules=0, problems=problems)
    return PolicyCheck(version=policy.version, rules=len(policy.rules))


def explained(text: str, quote: Quote) -> tuple[ExplainedRule, ...]:
    """Each rule of a policy of former times, beside what it said.

    Raises:
        InvalidRequest: the text is no policy any more.
    """
    # It was sound by the prices of its time; those of today say nothing of it.
    return explain(quote, parse_policy(text, NAME, None).rules)


def begin_replay(text: str, prices: Mapping[str, pricing.EnginePrice]) -> None:
    """Reads a policy; what is added to the replay from now on is judged by it.

    Raises:
        InvalidRequest: names what is wrong with the policy.
    """
    policy = parse_policy(text, NAME, prices.keys())
    bounds = {name: pricing.bound_of(price) for name, price in prices.items()}
    _replayers[:] = [Replayer(policy=policy, bounds=bounds)]


def add_to_replay(promotions: Sequence[Promotion]) -> None:
    """Judges some promotions; the newest come first."""
    for promotion in promotions:
        _replayers[0].add(promotion)


def replay_result() -> Replay:
    """All that was added."""
    return _replayers[0].result()
