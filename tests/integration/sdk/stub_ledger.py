"""Budgets, spend and the ledger of an orchestrator to script."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from underpaint.contract.accounting import (
    Budget,
    LedgerEntry,
    Period,
    SpendLine,
    Verification,
)
from underpaint.contract.wire import (
    budget_to_wire,
    entry_to_wire,
    period_from_wire,
    spend_to_wire,
    verification_to_wire,
)
from underpaint.v1 import (
    orchestrator_pb2,
    orchestrator_pb2_grpc,
)

from tests.integration.sdk.script import Script


class StubLedger(orchestrator_pb2_grpc.OrchestratorServiceServicer):
    def __init__(self) -> None:
        self.script = Script()
        self.budgets: dict[tuple[str, Period], Budget] = {}
        self.spender = "a"
        self.spend_requests: list[tuple[str, tuple[str, ...], str]] = []
        self.verification = Verification(
            entries=12, number=40, checkpoint_number=28, balances=12, reservations=1
        )
        self.thawed: list[tuple[str, bool]] = []
        self.entries: list[LedgerEntry] = []

    async def SetBudget(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("SetBudget")
        period = period_from_wire(request.period)
        if request.remove:
            self.budgets.pop((request.scope, period), None)
            return orchestrator_pb2.SetBudgetResponse()
        budget = Budget(
            scope=request.scope,
            limit_usd_micros=request.limit_usd_micros,
            spent_usd_micros=9_400,
            period=period,
            soft=request.soft,
            from_day=request.from_day,
            until_day=request.until_day,
        )
        self.budgets[budget.scope, budget.period] = budget
        return orchestrator_pb2.SetBudgetResponse(budget=budget_to_wire(budget))

    async def ListBudgets(self, request: Any, context: Any) -> Any:  # noqa: N802
        return orchestrator_pb2.ListBudgetsResponse(
            budgets=[budget_to_wire(budget) for budget in self.budgets.values()]
        )

    async def GetSpend(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.spend_requests.append((request.scope, tuple(request.by), request.since_day))
        line = SpendLine(
            scope="" if request.by else "project:default",
            promotions=1,
            charged_usd_micros=9_400,
            cloud_only_usd_micros=112_500,
            key=tuple(f"{self.spender}-{dimension}" for dimension in request.by),
        )
        return orchestrator_pb2.GetSpendResponse(lines=[spend_to_wire(line)])

    async def VerifyLedger(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("VerifyLedger")
        return verification_to_wire(self.verification)

    async def ThawLedger(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("ThawLedger")
        self.thawed.append((request.because, request.rebuild))
        return orchestrator_pb2.ThawLedgerResponse(frozen=self.verification.frozen)

    async def ReadLedger(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        self.script.enter("ReadLedger")
        for entry in self.entries:
            yield orchestrator_pb2.ReadLedgerResponse(entries=[entry_to_wire(entry)])
