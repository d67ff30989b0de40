"""The client's methods about money."""

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
        """Limits what a scope may spend in a period; replaces its limit for the same period.

        Args:
            scope: such as "project:catalogue" or "team:acme/growth".
            limit_usd_micros: the limit in micro-dollars.
            period: a day, a month or a campaign; what was already spent in it counts.
            soft: whether going over the limit only causes a warning.
            from_day: first day of a campaign in UTC, such as 2026-11-21; "" for no first day.
            until_day: last day of a campaign; "" for no last day.

        Raises:
            InvalidRequest: the scope or a day is not valid, or the sum is out of range.
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
        """Removes the limit of a scope for a period, if there is one.

        Raises:
            InvalidRequest: the scope is not valid.
        """
        request = pb.SetBudgetRequest(scope=scope, period=PERIOD_TO_WIRE[period], remove=True)
        with self._orchestrator.call("SetBudget") as options:
            await self._orchestrator.stub.SetBudget(request, **options)

    async def budgets(self) -> list[Budget]:
        """Lists all limits, with what is spent and reserved in their current periods."""
        with self._orchestrator.call("ListBudgets") as options:
            answer = await self._orchestrator.stub.ListBudgets(pb.ListBudgetsRequest(), **options)
        return [budget_from_wire(wire) for wire in answer.budgets]

    async def spend(
        self, scope: str = "", *, by: Sequence[str] = (), since_day: str = ""
    ) -> list[SpendLine]:
        """Adds up what was charged, and what it would have cost all in the cloud.

        Args:
            scope: only this scope; "" for all.
            by: dimensions to group by, out of organisation, team, project, user, model and day;
                without any there is one line for each scope.
            since_day: counts reservations from this day on, in UTC; "" for all.

        Raises:
            InvalidRequest: the scope, a dimension or the day is not valid.
        """
        request = pb.GetSpendRequest(scope=scope, by=by, since_day=since_day)
        with self._orchestrator.call("GetSpend") as options:
            answer = await self._orchestrator.stub.GetSpend(request, **options)
        return [spend_from_wire(wire) for wire in answer.lines]

    async def verify_ledger(self) -> Verification:
        """Compares every balance with the sum of the entries. A difference freezes spending."""
        with self._orchestrator.call("VerifyLedger") as options:
            answer = await self._orchestrator.stub.VerifyLedger(pb.VerifyLedgerRequest(), **options)
        return verification_from_wire(answer)

    async def thaw_ledger(self, because: str, *, rebuild: bool = False) -> str:
        """Allows spending again after a freeze.

        Args:
            because: why it is safe; recorded in the ledger.
            rebuild: whether to set the balances to the sums of the entries first.

        Returns:
            Why spending was frozen; "" if it was not.

        Raises:
            InvalidRequest: the reason is empty or too long.
            LedgerFrozen: entries are missing or wrong, so the balances cannot be rebuilt.
        """
        request = pb.ThawLedgerRequest(because=because, rebuild=rebuild)
        with self._orchestrator.call("ThawLedger") as options:
            answer = await self._orchestrator.stub.ThawLedger(request, **options)
        return answer.frozen

    async def ledger_entries(self, since_day: str = "") -> AsyncGenerator[LedgerEntry, None]:
        """Yields every entry of the ledger in order, from a day in UTC on; "" for all.

        Raises:
            InvalidRequest: the day is not valid.
        """
        with self._orchestrator.call("ReadLedger") as options:
            call = self._orchestrator.stub.ReadLedger(
                pb.ReadLedgerRequest(since_day=since_day), **options
            )
            async with aclosing(answers(call)) as parts:
                async for part in parts:
                    for wire in part.entries:
                        yield entry_from_wire(wire)
