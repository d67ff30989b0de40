"""Money by RPC: budgets, spend, and the ledger they add up from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
from typing_extensions import override
from underpaint.contract import wire
from underpaint.contract.accounting import check_day
from underpaint.contract.money import check_usd_micros
from underpaint.orchestrator.ledger import spend
from underpaint.orchestrator.ledger.audit import Auditor
from underpaint.orchestrator.ledger.store import LedgerStore
from underpaint.orchestrator.names import check_days, check_scope
from underpaint.v1 import orchestrator_pb2 as pb
from underpaint.v1 import orchestrator_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]


class LedgerServicer(orchestrator_pb2_grpc.OrchestratorServiceServicer):
    """Budgets, spend and the audit."""

    def __init__(self, *, ledger: LedgerStore, auditor: Auditor) -> None:
        self._ledger = ledger
        self._auditor = auditor

    @override
    async def SetBudget(
        self, request: pb.SetBudgetRequest, context: Context
    ) -> pb.SetBudgetResponse:
        """Sets or lifts a limit of a scope."""
        scope, period = check_scope(request.scope), wire.period_from_wire(request.period)
        from_day, until_day = check_days(period, request.from_day, request.until_day)
        if request.remove:
            await self._ledger.remove_budget(scope, period)
            return pb.SetBudgetResponse()
        budget = await self._ledger.set_budget(
            scope,
            check_usd_micros(request.limit_usd_micros),
            period=period,
            soft=request.soft,
            from_day=from_day,
            until_day=until_day,
        )
        return pb.SetBudgetResponse(budget=wire.budget_to_wire(budget))

    @override
    async def ListBudgets(
        self, request: pb.ListBudgetsRequest, context: Context
    ) -> pb.ListBudgetsResponse:
        """Every limited scope."""
        budgets = await self._ledger.budgets()
        return pb.ListBudgetsResponse(budgets=[wire.budget_to_wire(each) for each in budgets])

    @override
    async def GetSpend(self, request: pb.GetSpendRequest, context: Context) -> pb.GetSpendResponse:
        """What was charged, of one scope or of all, by scope or by dimensions."""
        scope = check_scope(request.scope) if request.scope else ""
        cells = [
            cell
            for cell in await self._ledger.spend(check_day(request.since_day))
            if not scope or scope in cell.account.scopes
        ]
        if request.by:
            lines = spend.by(cells, list(request.by))
        else:
            lines = [line for line in spend.by_scope(cells) if not scope or line.scope == scope]
        return pb.GetSpendResponse(lines=[wire.spend_to_wire(line) for line in lines])

    @override
    async def VerifyLedger(
        self, request: pb.VerifyLedgerRequest, context: Context
    ) -> pb.VerifyLedgerResponse:
        """Adds up and compares."""
        return wire.verification_to_wire(await self._auditor.verify())

    @override
    async def ThawLedger(
        self, request: pb.ThawLedgerRequest, context: Context
    ) -> pb.ThawLedgerResponse:
        """Allows spending again."""
        frozen = await self._auditor.thaw(request.because, rebuild=request.rebuild)
        return pb.ThawLedgerResponse(frozen=frozen)

    @override
    async def ReadLedger(
        self, request: pb.ReadLedgerRequest, context: Context
    ) -> AsyncIterator[pb.ReadLedgerResponse]:
        """Every entry since a day."""
        async for batch in self._auditor.read(check_day(request.since_day)):
            yield pb.ReadLedgerResponse(entries=[wire.entry_to_wire(entry) for entry in batch])
