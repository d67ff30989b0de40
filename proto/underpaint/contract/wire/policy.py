"""Converts policy checks, statuses, explanations and replays."""

from __future__ import annotations

from collections.abc import Iterable

from underpaint.contract.policy import (
    ExplainedRule,
    Explanation,
    PolicyCheck,
    PolicyProblem,
    PolicyStatus,
    Replay,
    ReplayChange,
    ReplayLine,
)
from underpaint.contract.wire import (
    promotion_from_wire,
    promotion_to_wire,
    time_from_wire,
    time_to_wire,
    verdict_from_wire,
    verdict_to_wire,
)
from underpaint.v1 import orchestrator_pb2 as pb


def check_to_wire(check: PolicyCheck) -> pb.CheckPolicyResponse:
    """Domain to wire."""
    return pb.CheckPolicyResponse(
        version=check.version, rules=check.rules, problems=_problems_to_wire(check.problems)
    )


def check_from_wire(wire: pb.CheckPolicyResponse) -> PolicyCheck:
    """Wire to domain."""
    return PolicyCheck(
        version=wire.version, rules=wire.rules, problems=_problems_from_wire(wire.problems)
    )


def status_to_wire(status: PolicyStatus) -> pb.GetPolicyResponse:
    """Domain to wire."""
    return pb.GetPolicyResponse(
        version=status.version,
        text=status.text,
        since=time_to_wire(status.since),
        file=status.file,
        problems=_problems_to_wire(status.problems),
    )


def status_from_wire(wire: pb.GetPolicyResponse) -> PolicyStatus:
    """Wire to domain."""
    return PolicyStatus(
        version=wire.version,
        text=wire.text,
        since=time_from_wire(wire.since),
        file=wire.file,
        problems=_problems_from_wire(wire.problems),
    )


def explanation_to_wire(explanation: Explanation) -> pb.ExplainPromotionResponse:
    """Domain to wire."""
    return pb.ExplainPromotionResponse(
        promotion=promotion_to_wire(explanation.promotion),
        rules=[
            pb.ExplainedRule(
                verdict=verdict_to_wire(each.verdict),
                reached=each.reached,
                line=each.line,
                when=each.when,
                outcome=each.outcome,
            )
            for each in explanation.rules
        ],
        in_force=explanation.in_force,
    )


def explanation_from_wire(wire: pb.ExplainPromotionResponse) -> Explanation:
    """Wire to domain."""
    return Explanation(
        promotion=promotion_from_wire(wire.promotion),
        rules=tuple(
            ExplainedRule(
                verdict=verdict_from_wire(each.verdict),
                reached=each.reached,
                line=each.line,
                when=each.when,
                outcome=each.outcome,
            )
            for each in wire.rules
        ),
        in_force=wire.in_force,
    )


def replay_to_wire(replay: Replay) -> pb.ReplayPolicyResponse:
    """Domain to wire."""
    return pb.ReplayPolicyResponse(
        version=replay.version,
        lines=[
            pb.ReplayLine(outcome=each.outcome, before=each.before, after=each.after)
            for each in replay.lines
        ],
        before_usd_micros=replay.before_usd_micros,
        after_usd_micros=replay.after_usd_micros,
        changes=[
            pb.ReplayChange(
                promotion_id=each.promotion_id,
                before=each.before,
                after=each.after,
                reason=each.reason,
                before_usd_micros=each.before_usd_micros,
                after_usd_micros=each.after_usd_micros,
            )
            for each in replay.changes
        ],
        changed=replay.changed,
    )


def replay_from_wire(wire: pb.ReplayPolicyResponse) -> Replay:
    """Wire to domain."""
    return Replay(
        version=wire.version,
        lines=tuple(
            ReplayLine(outcome=each.outcome, before=each.before, after=each.after)
            for each in wire.lines
        ),
        before_usd_micros=wire.before_usd_micros,
        after_usd_micros=wire.after_usd_micros,
        changes=tuple(
            ReplayChange(
                promotion_id=each.promotion_id,
                before=each.before,
                after=each.after,
                reason=each.reason,
                before_usd_micros=each.before_usd_micros,
                after_usd_micros=each.after_usd_micros,
            )
            for each in wire.changes
        ),
        changed=wire.changed,
    )


def _problems_to_wire(problems: Iterable[PolicyProblem]) -> list[pb.PolicyProblem]:
    return [pb.PolicyProblem(line=each.line, told=each.told) for each in problems]


def _problems_from_wire(wire: Iterable[pb.PolicyProblem]) -> tuple[PolicyProblem, ...]:
    return tuple(PolicyProblem(line=each.line, told=each.told) for each in wire)
