"""A plain model of a store: no balances, only promotions and limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from underpaint.contract.accounting import Period
from underpaint.contract.promotion import Account
from underpaint.orchestrator.promotions.store import Lease

from tests.conformance.steps import at

Limit = tuple[int, bool, str, str]  # sum, soft, first day, last day

START = at("2026-11-27")  # a month's end is near


@dataclass
class Promoted:
    """What the model knows of a promotion; its money is where its state says."""

    account: Account
    cost: int
    day: str
    expires_at: int
    state: str = "reserved"
    charged: int = 0
    cancelled: bool = False
    lease: Lease | None = None

    @property
    def reserved(self) -> int:
        return self.cost if self.state in ("reserved", "running") else 0


class Model:
    """No balances at all: every figure is added up from the promotions when it is needed."""

    def __init__(self) -> None:
        self.now = START
        self.promotions: dict[str, Promoted] = {}
        self.limits: dict[tuple[str, Period], Limit] = {}
        self.frozen = False

    @property
    def today(self) -> str:
        return datetime.fromtimestamp(self.now, UTC).date().isoformat()

    def used(self, scope: str, first: str, last: str) -> tuple[int, int]:
        mine = [
            each
            for each in self.promotions.values()
            if scope in each.account.scopes and first <= each.day <= (last or "9")
        ]
        return sum(each.reserved for each in mine), sum(each.charged for each in mine)

    def window(self, period: Period, limit: Limit) -> tuple[str, str]:
        if period is Period.DAY:
            return self.today, self.today
        if period is Period.MONTH:
            return f"{self.today[:7]}-01", f"{self.today[:7]}-31"
        return limit[2], limit[3]

    def holding(self, account: Account) -> list[tuple[str, Period, Limit]]:
        return [
            (scope, period, limit)
            for (scope, period), limit in self.limits.items()
            if scope in account.scopes and limit[2] <= self.today <= (limit[3] or "9")
        ]

    def admits(self, account: Account, cost: int) -> bool:
        limits = self.holding(account)
        return bool(limits) and all(
            limit[1] or sum(self.used(scope, *self.window(period, limit))) + cost <= limit[0]
            for scope, period, limit in limits
        )
