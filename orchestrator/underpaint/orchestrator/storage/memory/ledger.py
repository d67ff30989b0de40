"""The books in this process's memory: the twin of `RedisLedger`, for tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from underpaint.contract.accounting import Budget, Kind, LedgerEntry, Period
from underpaint.contract.promotion import Account
from underpaint.orchestrator.ledger.store import (
    CAMPAIGN,
    EVER,
    Amounts,
    Balances,
    Checkpoint,
    Reservation,
    SpendCell,
    covers,
    order,
    windows,
)


class MemoryLedger:
    """Limits, balances, entries, checkpoints and the freeze; gone with the process."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Takes seconds since 1970 from `clock`."""
        self._clock = clock
        self._limits: dict[tuple[str, Period], Budget] = {}
        self._amounts: dict[tuple[str, str], Amounts] = {}
        self._cells: dict[tuple[str, tuple[str, ...], str], tuple[int, int, int]] = {}
        self._open: dict[str, Reservation] = {}
        self._entries: list[LedgerEntry] = []
        self._entry_count = 0
        self._last_id = 0
        self._prices: dict[str, str] = {}
        self._frozen = ""
        self._checkpoint: Checkpoint | None = None

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
        """Limits what a scope may spend in a period."""
        budget = Budget(
            scope=scope,
            limit_usd_micros=limit_usd_micros,
            period=period,
            soft=soft,
            from_day=from_day,
            until_day=until_day,
        )
        self._limit(scope, period, budget, budget.terms)
        return self._as_it_stands(budget)

    async def remove_budget(self, scope: str, period: Period) -> None:
        """Lifts a limit."""
        self._limit(scope, period, None, f"no limit for a {period.value}")

    async def seed_budget(self, scope: str, limit_usd_micros: int) -> bool:
        """Limits what a scope may ever spend, if no scope has a limit yet."""
        if self._limits:
            return False
        await self.set_budget(scope, limit_usd_micros)
        return True

    async def budgets(self) -> Sequence[Budget]:
        """Every limit, by scope and period."""
        scopes = sorted({scope for scope, _ in self._limits})
        return [budget for scope in scopes for budget in self._limits_of(scope)]

    async def limits(self, scopes: Sequence[str]) -> Sequence[Budget]:
        """The limits that hold today for some scopes."""
        return [
            budget
            for scope in scopes
            for budget in self._limits_of(scope)
            if covers(budget.from_day, budget.until_day, self._today())
        ]

    async def keep_prices(self, version: str, digest: str) -> bool:
        """Binds a version of the price table to its prices."""
        return self._prices.setdefault(version, digest) == digest

    async def spend(self, since_day: str) -> Sequence[SpendCell]:
        """What was charged for work reserved on a day or later."""
        return [
            SpendCell(
                day=day,
                account=Account.of(scopes),
                model=model,
                promotions=promotions,
                charged_usd_micros=charged,
                cloud_only_usd_micros=cloud_only,
            )
            for (day, scopes, model), (promotions, charged, cloud_only) in self._cells.items()
            if day >= since_day
        ]

    async def entries(self, after: str, most: int) -> Sequence[LedgerEntry]:
        """Entries in order."""
        return [each for each in self._entries if order(each.id) > order(after)][:most]

    async def balances(self) -> Balances:
        """All balances at one moment."""
        return Balances(
            entry=self._entries[-1].id if self._entries else "",
            number=self._entry_count,
            amounts=dict(self._amounts),
            campaigns=self._campaigns(),
            spend=await self.spend(""),
            open=dict(self._open),
        )

    async def rebuild(self, balances: Balances) -> bool:
        """Sets amounts and spend, if the last entry is still the same."""
        if balances.entry != (self._entries[-1].id if self._entries else ""):
            return False
        self._amounts.update(balances.amounts)
        for cell in balances.spend:
            self._cells[cell.day, cell.account.scopes, cell.model] = (
                cell.promotions,
                cell.charged_usd_micros,
                cell.cloud_only_usd_micros,
            )
        return True

    async def frozen(self) -> str:
        """Why nothing new may be reserved."""
        return self._frozen

    async def freeze(self, reason: str) -> None:
        """Refuses new reservations."""
        if not self._frozen:
            self._frozen = reason
            self._entry("freeze", note=reason)

    async def thaw(self, because: str) -> str:
        """Allows reservations again."""
        reason, self._frozen = self._frozen, ""
        if reason:
            self._entry("thaw", note=because)
        return reason

    async def checkpoint(self) -> Checkpoint | None:
        """The latest checkpoint."""
        return self._checkpoint

    async def keep_checkpoint(self, checkpoint: Checkpoint, before: Checkpoint | None) -> bool:
        """Keeps a checkpoint in place of the one before."""
        if self._checkpoint != before:
            return False
        self._checkpoint = checkpoint
        return True

    async def trim(self) -> None:
        """Forgets the entries before the checkpoint's."""
        if self._checkpoint:
            oldest = order(self._checkpoint.entry)
            self._entries = [each for each in self._entries if order(each.id) >= oldest]

    def _move(self, kind: Kind, promotion_id: str, reserved: int, spent: int, **more: Any) -> None:
        """Moves money of an open reservation in every scope and window at once."""
        held = self._open[promotion_id]
        for scope in held.scopes:
            for window in self._windows(scope, held.day):
                before = self._amounts.get((scope, window), (0, 0))
                self._amounts[scope, window] = (before[0] + reserved, before[1] + spent)
        self._entry(
            kind,
            promotion_id=promotion_id,
            scopes=held.scopes,
            day=held.day,
            reserved_usd_micros=reserved,
            spent_usd_micros=spent,
            **more,
        )

    def _entry(self, kind: Kind, **fields: Any) -> None:
        self._entry_count += 1
        self._entries.append(
            LedgerEntry(
                id=self._next_id(), number=self._entry_count, at=self._now(), kind=kind, **fields
            )
        )

    def _limit(self, scope: str, period: Period, budget: Budget | None, note: str) -> None:
        self._limits.pop((scope, period), None)
        if budget:
            self._limits[scope, period] = budget
        if period is Period.CAMPAIGN:
            self._amounts.pop((scope, CAMPAIGN), None)
            if budget and (budget.from_day or budget.until_day):
                days = [
                    amounts
                    for (each, window), amounts in self._amounts.items()
                    if each == scope
                    and len(window) == len("2026-11-21")
                    and covers(budget.from_day, budget.until_day, window)
                ]
                self._amounts[scope, CAMPAIGN] = (
                    sum(reserved for reserved, _ in days),
                    sum(spent for _, spent in days),
                )
        self._entry("limit", scopes=(scope,), day=self._today(), note=note)

    def _limits_of(self, scope: str) -> Iterator[Budget]:
        for period in Period:
            if (scope, period) in self._limits:
                yield self._as_it_stands(self._limits[scope, period])

    def _as_it_stands(self, budget: Budget) -> Budget:
        dated = budget.from_day or budget.until_day
        window = {
            Period.DAY: self._today(),
            Period.MONTH: self._today()[:7],
            Period.CAMPAIGN: CAMPAIGN if dated else EVER,
        }[budget.period]
        reserved, spent = self._amounts.get((budget.scope, window), (0, 0))
        return replace(budget, reserved_usd_micros=reserved, spent_usd_micros=spent)

    def _campaigns(self) -> dict[str, tuple[str, str]]:
        return {
            scope: (budget.from_day, budget.until_day)
            for (scope, period), budget in self._limits.items()
            if period is Period.CAMPAIGN and (budget.from_day or budget.until_day)
        }

    def _windows(self, scope: str, day: str) -> Iterator[str]:
        yield from windows(day)
        campaign = self._campaigns().get(scope)
        if campaign and covers(*campaign, day):
            yield CAMPAIGN

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _today(self) -> str:
        return self._now().date().isoformat()

    def _next_id(self) -> str:
        self._last_id += 1
        return f"{self._last_id}-0"
