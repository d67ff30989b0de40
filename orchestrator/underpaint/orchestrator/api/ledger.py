"""The RPCs about money: budgets, spend and the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import grpc
from typing_extensions import override
from underpaint.contract import wire
from underpaint.contract.accounting import LedgerEntry, check_day
from underpaint.contract.money import check_usd_micros
from underpaint.orchestrator.api.access import Access
from underpaint.orchestrator.api.roles import not_allowed
from underpaint.orchestrator.callers import Callers
from underpaint.orchestrator.ledger import spend
from underpaint.orchestrator.ledger.audit import Auditor
from underpaint.orchestrator.ledger.store import LedgerStore
from underpaint.orchestrator.names import check_days, complete_scope, path_of
from underpaint.v1 import orchestrator_pb2 as pb
from underpaint.v1 import orchestrator_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]


class LedgerServicer(orchestrator_pb2_grpc.OrchestratorServiceServicer):
    """Sets and lists budgets, reports spend, and verifies, thaws and reads the ledger."""

    def __init__(self, *, ledger: LedgerStore, auditor: Auditor, callers: Callers) -> None:
        self._ledger = ledger
        self._auditor = auditor
        self._callers = callers

    @override
    async def SetBudget(
        self, request: pb.SetBudgetRequest, context: Context
    ) -> pb.SetBudgetResponse:
        """Sets or removes the limit of a scope."""
        access = self._access("SetBudget", context)
        scope = complete_scope(request.scope, access.caller.account)
        if not access.may_scope(scope):
            raise not_allowed(access.caller, "SetBudget", path_of(scope))
        period = wire.period_from_wire(request.period)
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
        """Lists the budgets of every scope that the caller may see."""
        access = self._access("ListBudgets", context)
        found = await self._ledger.budgets()

        def told() -> pb.ListBudgetsResponse:
            budgets = [each for each in found if access.may_scope(each.scope)]
            return pb.ListBudgetsResponse(budgets=[wire.budget_to_wire(each) for each in budgets])

        return await asyncio.to_thread(told)

    @override
    async def GetSpend(self, request: pb.GetSpendRequest, context: Context) -> pb.GetSpendResponse:
        """Adds up what was charged, in one scope or all, by scope or by the asked dimensions."""
        access = self._access("GetSpend", context)
        scope = complete_scope(request.scope, access.caller.account) if request.scope else ""
        told = await self._ledger.spend(check_day(request.since_day))

        def added_up() -> pb.GetSpendResponse:
            cells = [
                cell
                for cell in told
                if access.may_account(cell.account) and (not scope or scope in cell.account.scopes)
            ]
            if request.by:
                lines = spend.by(cells, list(request.by))
            else:
                lines = [line for line in spend.by_scope(cells) if not scope or line.scope == scope]
            return pb.GetSpendResponse(lines=[wire.spend_to_wire(line) for line in lines])

        return await asyncio.to_thread(added_up)

    @override
    async def VerifyLedger(
        self, request: pb.VerifyLedgerRequest, context: Context
    ) -> pb.VerifyLedgerResponse:
        """Compares the balances with the sums of the ledger's entries."""
        self._access("VerifyLedger", context)
        return wire.verification_to_wire(await self._auditor.verify())

    @override
    async def ThawLedger(
        self, request: pb.ThawLedgerRequest, context: Context
    ) -> pb.ThawLedgerResponse:
        """Allows spending again after the ledger was frozen."""
        self._access("ThawLedger", context)
        frozen = await self._auditor.thaw(request.because, rebuild=request.rebuild)
        return pb.ThawLedgerResponse(frozen=frozen)

    @override
    async def ReadLedger(
        self, request: pb.ReadLedgerRequest, context: Context
    ) -> AsyncIterator[pb.ReadLedgerResponse]:
        """Streams every entry since a day that the caller may see."""
        self._access("ReadLedger", context)
        async for batch in self._auditor.read(check_day(request.since_day)):
            access = self._access("ReadLedger", context)  # it may have been revoked meanwhile
            shown = [_shown(access, entry) for entry in batch if _may_read(access, entry)]
            if shown:
                yield pb.ReadLedgerResponse(entries=[wire.entry_to_wire(entry) for entry in shown])

    def _access(self, rpc: str, context: Context) -> Access:
        return Access.of(self._callers.of(context), rpc)


def _may_read(access: Access, entry: LedgerEntry) -> bool:
    """Whether the caller may read an entry; one about the whole ledger needs a role for all."""
    return access.may_scope(entry.scopes[-1] if entry.scopes else "")


def _shown(access: Access, entry: LedgerEntry) -> LedgerEntry:
    """The entry as shown to the caller.

    Numbers count the entries of all organisations, so only who may read all of them sees them.
    """
    number = entry.number if access.may_scope("") else 0
    return replace(entry, number=number, promotion_id=access.shown_id(entry.promotion_id))
