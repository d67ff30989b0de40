"""Converts budgets, spend, ledger entries and verifications."""

from __future__ import annotations

from typing import Final

from underpaint.contract.accounting import (
    Budget,
    LedgerEntry,
    Period,
    SpendLine,
    Verification,
)
from underpaint.contract.wire.generation import time_from_wire, time_to_wire
from underpaint.v1 import orchestrator_pb2

PERIOD_TO_WIRE: Final[dict[Period, orchestrator_pb2.BudgetPeriod]] = {
    Period.DAY: orchestrator_pb2.BUDGET_PERIOD_DAY,
    Period.MONTH: orchestrator_pb2.BUDGET_PERIOD_MONTH,
    Period.CAMPAIGN: orchestrator_pb2.BUDGET_PERIOD_CAMPAIGN,
}
_PERIOD_FROM_WIRE: Final = {wire: own for own, wire in PERIOD_TO_WIRE.items()}


def period_from_wire(wire: orchestrator_pb2.BudgetPeriod) -> Period:
    """A campaign if it is not specified."""
    return _PERIOD_FROM_WIRE.get(wire, Period.CAMPAIGN)


def budget_to_wire(budget: Budget) -> orchestrator_pb2.Budget:
    """Domain to wire."""
    return orchestrator_pb2.Budget(
        scope=budget.scope,
        limit_usd_micros=budget.limit_usd_micros,
        spent_usd_micros=budget.spent_usd_micros,
        reserved_usd_micros=budget.reserved_usd_micros,
        period=PERIOD_TO_WIRE[budget.period],
        soft=budget.soft,
        from_day=budget.from_day,
        until_day=budget.until_day,
    )


def budget_from_wire(wire: orchestrator_pb2.Budget) -> Budget:
    """Wire to domain."""
    return Budget(
        scope=wire.scope,
        limit_usd_micros=wire.limit_usd_micros,
        spent_usd_micros=wire.spent_usd_micros,
        reserved_usd_micros=wire.reserved_usd_micros,
        period=period_from_wire(wire.period),
        soft=wire.soft,
        from_day=wire.from_day,
        until_day=wire.until_day,
    )


def spend_to_wire(line: SpendLine) -> orchestrator_pb2.SpendLine:
    """Domain to wire."""
    return orchestrator_pb2.SpendLine(
        scope=line.scope,
        promotions=line.promotions,
        charged_usd_micros=line.charged_usd_micros,
        cloud_only_usd_micros=line.cloud_only_usd_micros,
        key=line.key,
    )


def spend_from_wire(wire: orchestrator_pb2.SpendLine) -> SpendLine:
    """Wire to domain."""
    return SpendLine(
        scope=wire.scope,
        promotions=wire.promotions,
        charged_usd_micros=wire.charged_usd_micros,
        cloud_only_usd_micros=wire.cloud_only_usd_micros,
        key=tuple(wire.key),
    )


def entry_to_wire(entry: LedgerEntry) -> orchestrator_pb2.LedgerEntry:
    """Domain to wire."""
    return orchestrator_pb2.LedgerEntry(
        id=entry.id,
        number=entry.number,
        at=time_to_wire(entry.at),
        kind=entry.kind,
        promotion_id=entry.promotion_id,
        scopes=entry.scopes,
        day=entry.day,
        reserved_usd_micros=entry.reserved_usd_micros,
        spent_usd_micros=entry.spent_usd_micros,
        model=entry.model,
        cloud_only_usd_micros=entry.cloud_only_usd_micros,
        note=entry.note,
    )


def entry_from_wire(wire: orchestrator_pb2.LedgerEntry) -> LedgerEntry:
    """Wire to domain."""
    return LedgerEntry(
        id=wire.id,
        number=wire.number,
        at=time_from_wire(wire.at),
        kind=wire.kind,
        promotion_id=wire.promotion_id,
        scopes=tuple(wire.scopes),
        day=wire.day,
        reserved_usd_micros=wire.reserved_usd_micros,
        spent_usd_micros=wire.spent_usd_micros,
        model=wire.model,
        cloud_only_usd_micros=wire.cloud_only_usd_micros,
        note=wire.note,
    )


def verification_to_wire(found: Verification) -> orchestrator_pb2.VerifyLedgerResponse:
    """Domain to wire."""
    return orchestrator_pb2.VerifyLedgerResponse(
        entries=found.entries,
        number=found.number,
        checkpoint_number=found.checkpoint_number,
        balances=found.balances,
        reservations=found.reservations,
        mismatches=found.mismatches,
        frozen=found.frozen,
    )


def verification_from_wire(wire: orchestrator_pb2.VerifyLedgerResponse) -> Verification:
    """Wire to domain."""
    return Verification(
        entries=wire.entries,
        number=wire.number,
        checkpoint_number=wire.checkpoint_number,
        balances=wire.balances,
        reservations=wire.reservations,
        mismatches=tuple(wire.mismatches),
        frozen=wire.frozen,
    )
