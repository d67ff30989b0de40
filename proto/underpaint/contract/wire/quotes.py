"""Converts quotes, the verdicts of rules and priorities."""

from __future__ import annotations

from typing import Final

from underpaint.contract.promotion import Approval, Priority, Quote, QuoteLine, RuleVerdict
from underpaint.contract.wire.generation import (
    generation_from_wire,
    generation_to_wire,
    time_from_wire,
    time_to_wire,
)
from underpaint.v1 import orchestrator_pb2

PRIORITY_TO_WIRE: Final[dict[Priority, orchestrator_pb2.Priority]] = {
    Priority.INTERACTIVE: orchestrator_pb2.PRIORITY_INTERACTIVE,
    Priority.BATCH: orchestrator_pb2.PRIORITY_BATCH,
}
_PRIORITY_FROM_WIRE: Final = {wire: own for own, wire in PRIORITY_TO_WIRE.items()}


def priority_from_wire(wire: orchestrator_pb2.Priority) -> Priority:
    """Interactive if it is not specified."""
    return _PRIORITY_FROM_WIRE.get(wire, Priority.INTERACTIVE)


def verdict_to_wire(verdict: RuleVerdict) -> orchestrator_pb2.RuleVerdict:
    """Domain to wire."""
    return orchestrator_pb2.RuleVerdict(
        rule=verdict.rule,
        matched=verdict.matched,
        decided=verdict.decided,
        reason=verdict.reason,
        saw=verdict.saw,
    )


def verdict_from_wire(wire: orchestrator_pb2.RuleVerdict) -> RuleVerdict:
    """Wire to domain."""
    return RuleVerdict(
        rule=wire.rule,
        matched=wire.matched,
        decided=wire.decided,
        reason=wire.reason,
        saw=dict(wire.saw),
    )


def quote_to_wire(quote: Quote) -> orchestrator_pb2.Quote:
    """Domain to wire."""
    approval = quote.approval
    return orchestrator_pb2.Quote(
        id=quote.id,
        engine=quote.engine,
        max_usd_micros=quote.max_usd_micros,
        price_table_version=quote.price_table_version,
        expires_at=time_to_wire(quote.expires_at),
        verdicts=[verdict_to_wire(each) for each in quote.verdicts],
        lines=[
            orchestrator_pb2.QuoteLine(what=line.what, usd_micros=line.usd_micros)
            for line in quote.lines
        ],
        cloud_only_usd_micros=quote.cloud_only_usd_micros,
        request=generation_to_wire(quote.request),
        asked=generation_to_wire(quote.asked) if quote.asked else None,
        approval=orchestrator_pb2.Approval(role=approval.role, within_s=approval.within_s)
        if approval
        else None,
        policy_version=quote.policy_version,
        facts=quote.facts,
        warnings=quote.warnings,
        strength_reason=quote.strength_reason,
        priority=PRIORITY_TO_WIRE[quote.priority],
        charges_flagged=quote.charges_flagged,
    )


def quote_from_wire(wire: orchestrator_pb2.Quote) -> Quote:
    """Wire to domain."""
    return Quote(
        id=wire.id,
        engine=wire.engine,
        max_usd_micros=wire.max_usd_micros,
        price_table_version=wire.price_table_version,
        expires_at=time_from_wire(wire.expires_at),
        verdicts=tuple(map(verdict_from_wire, wire.verdicts)),
        lines=tuple(QuoteLine(what=line.what, usd_micros=line.usd_micros) for line in wire.lines),
        cloud_only_usd_micros=wire.cloud_only_usd_micros,
        request=generation_from_wire(wire.request),
        asked=generation_from_wire(wire.asked) if wire.HasField("asked") else None,
        approval=Approval(role=wire.approval.role, within_s=wire.approval.within_s)
        if wire.HasField("approval")
        else None,
        policy_version=wire.policy_version,
        facts=dict(wire.facts),
        warnings=tuple(wire.warnings),
        strength_reason=wire.strength_reason,
        priority=priority_from_wire(wire.priority),
        charges_flagged=wire.charges_flagged,
    )
