"""The money half of the seam to durable state: limits, balances and the entries they add up from.

Every balance is kept four times over: for ever, for the month, for the day, and for a
campaign with dates. All of them belong to the day on which money was reserved, by the
ledger's clock in UTC; what was reserved before midnight settles before midnight.

A day is closed by a checkpoint once nothing can be reserved on it any more and nothing that was
is open: its balances and its spend leave the store, and the spend is an artifact from then on.
So does the balance of a month of which every day is closed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from underpaint.contract.accounting import Budget, LedgerEntry, Period
from underpaint.contract.errors import BudgetExceeded, LedgerFrozen
from underpaint.contract.money import format_usd
from underpaint.contract.promotion import Account

EVER: Final = ""  # the window of all that was reserved
CAMPAIGN: Final = "campaign"  # the window between a scope's campaign's days
Amounts = tuple[int, int]  # reserved and spent, micro-dollars
Cell = tuple[str, tuple[str, ...], str]  # day, scopes, model
Campaign = tuple[str, str, str]  # scope, first and last day


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Money that is held for a promotion."""

    day: str
    scopes: tuple[str, ...]
    usd_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendCell:
    """What one account was charged for one model's work reserved on one day."""

    day: str
    account: Account
    model: str
    promotions: int
    charged_usd_micros: int
    cloud_only_usd_micros: int

    @property
    def cell(self) -> Cell:
        """What tells it from others."""
        return (self.day, self.account.scopes, self.model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Some balances, by what they are of."""

    amounts: Sequence[tuple[str, str]] = ()  # scope and window
    spend: Sequence[Cell] = ()
    open: Sequence[str] = ()  # promotion ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Balances:
    """Some of what the entries must add up to, at one moment."""

    entry: str = ""  # id of the last entry, "" for none
    number: int = 0  # of the last entry
    today: str = ""
    over: str = ""  # no later than this day nothing can be reserved any more
    # By scope and window: EVER, CAMPAIGN, a month such as 2026-11 or a day such as 2026-11-21.
    amounts: Mapping[tuple[str, str], Amounts] = field(default_factory=dict)
    campaigns: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # first, last day
    spend: Sequence[SpendCell] = ()
    # By promotion id; None if nothing is held for it.
    open: Mapping[str, Reservation | None] = field(default_factory=dict)
    closed: Mapping[str, str] | None = None  # every closed day's artifact, if it is told


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Where in the entries a replay was kept, and the artifact that holds it."""

    entry: str
    number: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What leaves the store with a checkpoint, because it is in there."""

    days: Mapping[str, str] = field(default_factory=dict)  # and the artifacts with their spend
    months: Sequence[str] = ()
    over: str = ""  # on this day and before, nothing may be reserved from now on


class LedgerStore(Protocol):
    """Any method may raise LedgerUnavailable: then nothing is known to be done."""

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
        """Limits what a scope may spend in a period; what it has spent in it counts."""

    async def remove_budget(self, scope: str, period: Period) -> None:
        """Lifts a limit, if there is one."""

    async def seed_budget(self, scope: str, limit_usd_micros: int) -> bool:
        """Limits what a scope may ever spend, if no limit was ever set; says whether it did."""

    async def budgets(self) -> Sequence[Budget]:
        """Every limit, by scope and period; those of days and months as they stand today."""

    async def limits(self, scopes: Sequence[str]) -> Sequence[Budget]:
        """The limits that hold today for some scopes, in their order."""

    async def keep_prices(self, version: str, digest: str) -> bool:
        """Binds a version of the price table to its prices; False if it stands for others."""

    async def spend(self, since_day: str) -> Sequence[SpendCell]:
        """What was charged for work reserved on a day or later; "" for all."""

    async def entries(self, after: str, most: int) -> Sequence[LedgerEntry]:
        """Entries in order, after an entry's id; those before a checkpoint may be gone."""

    def parts(self) -> AsyncGenerator[Balances]:
        """All balances, a bounded number at a time, each time those of one moment.

        One that comes or goes meanwhile may be left out; one may be told twice.
        """

    async def look(self, names: Names) -> Balances:
        """Some balances at one moment; nothing stands for one that is not there."""

    async def rebuild(self, balances: Balances) -> bool:
        """Sets amounts and spend, if the last entry is still `balances.entry`; says whether."""

    async def frozen(self) -> str:
        """Why nothing new may be reserved; "" if it may."""

    async def freeze(self, reason: str) -> None:
        """Refuses new reservations; the first reason stays. What is reserved still resolves."""

    async def thaw(self, because: str) -> str:
        """Allows reservations again; answers with why they were refused, "" if they were not."""

    async def checkpoint(self) -> Checkpoint | None:
        """The latest checkpoint."""

    async def keep_checkpoint(
        self, checkpoint: Checkpoint, before: Checkpoint | None, closing: Closing
    ) -> bool:
        """Keeps a checkpoint in place of the one before, and closes days that are in it.

        Args:
            checkpoint: the new one.
            before: the one it was made from; False is returned if that was another meanwhile.
            closing: days no later than an earlier one's `over`, on which nothing is open, and
                months of which no day is left.
        """

    async def trim(self) -> None:
        """Forgets the entries before the checkpoint's; the checkpoint holds their sum."""


def no_room(budget: Budget, wanted_usd_micros: int) -> BudgetExceeded:
    """The error for a budget that is too small."""
    per = "" if budget.period is Period.CAMPAIGN else f" --per {budget.period.value}"
    return BudgetExceeded(
        f"{budget.scope} has {format_usd(max(0, budget.left_usd_micros))} left of "
        f"{budget.terms} and this needs {format_usd(wanted_usd_micros)}; "
        f"raise it with `underpaint budget set {budget.scope} DOLLARS{per}`"
    )


def no_budget(scopes: Sequence[str]) -> BudgetExceeded:
    """The error for an account of which no level has a budget today."""
    project = next((scope for scope in scopes if scope.startswith("project:")), scopes[0])
    return BudgetExceeded(
        f"none of {', '.join(scopes)} has a budget; "
        f"set one with `underpaint budget set {project} 5`"
    )


def too_much(scope: str) -> BudgetExceeded:
    """The error for a sum that the ledger could no longer count exactly."""
    return BudgetExceeded(f"{scope} would exceed the largest sum that the ledger can hold")


def spending_frozen() -> LedgerFrozen:
    """The error for a reservation while spending is frozen; why may be about others."""
    return LedgerFrozen(
        "spending is frozen, for the ledger does not add up; an operator looks with "
        "`underpaint ledger verify` and allows it with `underpaint ledger thaw --because REASON`"
    )


def over_soft(scope: str, period: Period, limit_usd_micros: int, over_usd_micros: int) -> str:
    """The warning about a soft limit that is overrun."""
    each = "" if period is Period.CAMPAIGN else f" a {period.value}"
    return (
        f"{scope} goes {format_usd(over_usd_micros)} over its soft limit of "
        f"{format_usd(limit_usd_micros)}{each}"
    )


def warnings(limits: Sequence[Budget], wanted_usd_micros: int) -> tuple[str, ...]:
    """One line for each soft limit that a reservation would go over."""
    return tuple(
        over_soft(
            budget.scope,
            budget.period,
            budget.limit_usd_micros,
            wanted_usd_micros - budget.left_usd_micros,
        )
        for budget in limits
        if budget.soft and wanted_usd_micros > budget.left_usd_micros
    )


def windows(day: str) -> tuple[str, str, str]:
    """The windows without dates of their own that a day belongs to."""
    return (EVER, day[:7], day)


def covers(from_day: str, until_day: str, day: str) -> bool:
    """Whether a campaign with such days goes on on a day."""
    return from_day <= day and (not until_day or day <= until_day)


def order(entry_id: str) -> tuple[int, int]:
    """What ids of entries and events are ordered by; "" comes first."""
    at, _, number = entry_id.partition("-")
    return int(at or 0), int(number or 0)
