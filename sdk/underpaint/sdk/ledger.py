"""What the orchestrator can be asked about money."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from underpaint.contract.accounting import Budget, LedgerEntry, Period, SpendLine, Verification
from underpaint.contract.money import check_usd_micros
from underpaint.contract.wire import (
    PERIOD_TO_WIRE,
    budget_from_wire,
    entry_from_wire,
    spend_from_wire,
    verification_from_wire,
)
from underpaint.sdk.peer import Peer, answers
from underpaint.v1 import orchestrator_pb2 as pb

if TYPE_CHECKING:
    # Generated for type checkers only.
    from underpaint.v1.orchestrator_pb2_grpc import OrchestratorServiceAsyncStub


class Ledger:
    """Budgets, spend and the ledger."""

    _orchestrator: Peer[OrchestratorServiceAsyncStub]

    async def set_budget(
        self,
        scope: str,
        limit_usd_micros: int,
        *,
        period: Period = Period.CAMPAIGN,
        soft: bool = False,
        from_day: str = "",
        until_day: str = "",
    ) -> Budget:
        """Limits what one scope, such as "project:catalogue", may spend in a period.

        Args:
            scope: one of organisation, team, project and user, and its name.
            limit_usd_micros: takes the place of the limit of the same period.
            period: a day, a month, or a campaign; what was spent in it so far counts.
            soft: warns and is recorded, but refuses nothing.
            from_day: a campaign's first day in UTC, such as 2026-11-21; empty is open.
            until_day: its last day; a campaign without days goes on for ever.

        Raises:
            InvalidRequest: the scope is none, the sum is out of range, or the days are none.
        """
        request = pb.SetBudgetRequest(
            scope=scope,
            limit_usd_micros=check_usd_micros(limit_usd_micros),
            period=PERIOD_TO_WIRE[period],
            soft=soft,
            from_day=from_day,
            until_day=until_day,
        )
        with self._orchestrator.call("SetBudget") as options:
            answer = await self._orchestrator.stub.SetBudget(request, **options)
        return budget_from_wire(answer.budget)

    async def remove_budget(self, scope: str, period: Period = Period.CAMPAIGN) -> None:
        """Lifts the limit of a scope for a period, if there is one.

        Raises:
            InvalidRequest: the scope is none.
        """
        request = pb.SetBudgetRequest(scope=scope, period=PERIOD_TO_WIRE[period], remove=True)
        with self._orchestrator.call("SetBudget") as options:
            await self._orchestrator.stub.SetBudget(request, **options)

    async def budgets(self) -> list[Budget]:
        """All limits, and what of each is gone today, this month, or in its campaign."""
        with self._orchestrator.call("ListBudgets") as options:
            answer = await self._orchestrator.stub.ListBudgets(pb.ListBudgetsRequest(), **options)
        return [budget_from_wire(wire) for wire in answer.budgets]

    async def spend(
        self, scope: str = "", *, by: Sequence[str] = (), since_day: str = ""
    ) -> list[SpendLine]:
        """What was charged beside what all-cloud would have cost.

        Args:
            scope: whose; empty for everyone's.
            by: some of `contract.accounting.DIMENSIONS`, a line for each combination; without,
                a line for each scope.
            since_day: the first day in UTC of reservations that count; empty for all.

        Raises:
            InvalidRequest: the scope, a dimension or the day is none.
        """
        request = pb.GetSpendRequest(scope=scope, by=by, since_day=since_day)
        with self._orchestrator.call("GetSpend") as options:
            answer = await self._orchestrator.stub.GetSpend(request, **options)
        return [spend_from_wire(wire) for wire in answer.lines]

    async def verify_ledger(self) -> Verification:
        """Adds up the ledger and compares every balance; a difference freezes spending."""
        with self._orchestrator.call("VerifyLedger") as options:
            answer = await self._orchestrator.stub.VerifyLedger(pb.VerifyLedgerRequest(), **options)
        return verification_from_wire(answer)

    async def thaw_ledger(self, because: str, *, rebuild: bool = False) -> str:
        """Allows spending after a freeze; answers with why it was frozen, "" if it was not.

        Args:
            because: why it is safe; recorded in the ledger.
            rebuild: set the balances to what the entries add up to.

        Raises:
            InvalidRequest: no reason is given.
            LedgerFrozen: entries are missing, so nothing can be rebuilt from them.
        """
        request = pb.ThawLedgerRequest(because=because, rebuild=rebuild)
        with self._orchestrator.call("ThawLedger") as options:
            answer = await self._orchestrator.stub.ThawLedger(request, **options)
        return answer.frozen

    async def ledger_entries(self, since_day: str = "") -> AsyncGenerator[LedgerEntry, None]:
        """Every entry of the ledger in order, from a day in UTC on; empty for all.

        Raises:
            InvalidRequest: the day is none.
        """
        with self._orchestrator.call("ReadLedger") as options:
            call = self._orchestrator.stub.ReadLedger(
                pb.ReadLedgerRequest(since_day=since_day), **options
            )
            async with aclosing(answers(call)) as parts:
                async for part in parts:
                    for wire in part.entries:
                        yield entry_from_wire(wire)
