"""The ledger store in memory, as `RedisLedger` is in Redis."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from underpaint.contract.accounting import Budget, Kind, LedgerEntry, Period
from underpaint.orchestrator.ledger.closed import ClosedDays
from underpaint.orchestrator.ledger.replay import AT_ONCE
from underpaint.orchestrator.ledger.store import (
    CAMPAIGN,
    EVER,
    Amounts,
    Balances,
    Checkpoint,
    Closing,
    Names,
    Reservation,
    SpendCell,
    covers,
    order,
    windows,
)
from underpaint.orchestrator.ledger.sums import spend_cell

T = TypeVar("T")


class MemoryLedger:
    """Keeps limits, balances, entries, checkpoints and the freeze."""

    def __init__(self, clock: Callable[[], float], closed: ClosedDays) -> None:
        """`clock` returns seconds since 1970; `closed` reads the spend of closed days."""
        self._clock = clock
        self._closed = closed
        self._closed_days: dict[str, str] = {}
        self._over = ""
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
        """Sets the limit of a scope for a period."""
        budget = Budget(
            scope=scope,
            limit_usd_micros=limit_usd_micros,
            period=period,
            soft=soft,
            from_day=from_day,
            until_day=until_day,
        )
        campaign, spent = (scope, from_day, until_day), 0
        closed: dict[str, str] = {}
        while (from_day or until_day) and closed != self._closed_days:
            closed = dict(self._closed_days)
            spent = (await self._closed.spent(closed, [campaign]))[campaign]
        self._limit(scope, period, budget, budget.terms, spent)
        return self._as_it_stands(budget)

    async def remove_budget(self, scope: str, period: Period) -> None:
        """Removes a limit."""
        self._limit(scope, period, None, f"no limit for a {period.value}")

    async def seed_budget(self, scope: str, limit_usd_micros: int) -> bool:
        """Sets a limit for all time, unless the ledger has entries already."""
        if self._entry_count:
            return False
        await self.set_budget(scope, limit_usd_micros)
        return True

    async def budgets(self) -> Sequence[Budget]:
        """Every limit, by scope and period."""
        scopes = sorted({scope for scope, _ in self._limits})
        return [budget for scope in scopes for budget in self._limits_of(scope)]

    async def limits(self, scopes: Sequence[str]) -> Sequence[Budget]:
        """The limits in force today for some scopes."""
        return [
            budget
            for scope in scopes
            for budget in self._limits_of(scope)
            if covers(budget.from_day, budget.until_day, self._today())
        ]

    async def keep_prices(self, version: str, digest: str) -> bool:
        """Records the digest of a version of the price table."""
        return self._prices.setdefault(version, digest) == digest

    async def spend(self, since_day: str) -> Sequence[SpendCell]:
        """What was charged for work reserved on a day or later."""
        found = [spend_cell(*each) for each in self._cells.items() if each[0][0] >= since_day]
        closed = {day: name for day, name in self._closed_days.items() if day >= since_day}
        return [*await self._closed.spend(closed), *found]

    async def entries(self, after: str, most: int) -> Sequence[LedgerEntry]:
        """Up to `most` entries after an id, in order."""
        return [each for each in self._entries if order(each.id) > order(after)][:most]

    async def parts(self) -> AsyncGenerator[Balances]:
        """All balances in parts; each part is read at one moment."""
        yield replace(self._told(Names()), closed=dict(self._closed_days))
        for some in _some(self._amounts):
            yield self._told(Names(amounts=some))
        for cells in _some(self._cells):
            yield self._told(Names(spend=cells))
        for ids in _some(self._open):
            yield self._told(Names(open=ids))

    async def look(self, names: Names) -> Balances:
        """Some balances at one moment."""
        return self._told(names)

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
        """Why spending is frozen; "" if it is not."""
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

    async def keep_checkpoint(
        self, checkpoint: Checkpoint, before: Checkpoint | None, closing: Closing
    ) -> bool:
        """Makes a checkpoint the latest one, and closes days."""
        if self._checkpoint != before:
            return False
        self._checkpoint = checkpoint
        self._over = max(self._over, closing.over)
        self._closed_days |= closing.days
        gone = {*closing.days, *closing.months}
        self._amounts = {key: sums for key, sums in self._amounts.items() if key[1] not in gone}
        self._cells = {cell: sums for cell, sums in self._cells.items() if cell[0] not in gone}
        return True

    async def trim(self) -> None:
        """Removes the entries that the latest checkpoint holds."""
        if self._checkpoint:
            oldest = order(self._checkpoint.entry)
            self._entries = [each for each in self._entries if order(each.id) >= oldest]

    def _told(self, names: Names) -> Balances:
        """Some balances as they are now; a scope's campaign comes with its all-time balance."""
        campaigns = self._campaigns()
        dated = {scope for scope, window in names.amounts if window == EVER} & campaigns.keys()
        keys = [*names.amounts, *((scope, CAMPAIGN) for scope in dated)]
        return Balances(
            entry=self._entries[-1].id if self._entries else "",
            number=self._entry_count,
            today=self._today(),
            over=self._over,
            amounts={
                key: self._amounts.get(key, (0, 0))
                for key in keys
                if key[1] != CAMPAIGN or key[0] in dated
            },
            campaigns={scope: campaigns[scope] for scope in dated},
            spend=[spend_cell(cell, self._cells.get(cell, (0, 0, 0))) for cell in names.spend],
            open={promotion_id: self._open.get(promotion_id) for promotion_id in names.open},
        )

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

    def _limit(
        self, scope: str, period: Period, budget: Budget | None, note: str, spent: int = 0
    ) -> None:
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
                    spent + sum(amounts[1] for amounts in days),
                )
                self._amounts.setdefault((scope, EVER), (0, 0))
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
        """A day that is over never comes again, even if the clock is put back."""
        after = date.fromisoformat(self._over) + timedelta(days=1) if self._over else date.min
        return max(self._now().date(), after).isoformat()

    def _next_id(self) -> str:
        self._last_id += 1
        return f"{self._last_id}-0"


def _some(names: Collection[T]) -> Iterator[list[T]]:
    """Splits a snapshot of the names into batches."""
    every = list(names)
    for at in range(0, len(every), AT_ONCE):
        yield every[at : at + AT_ONCE]
