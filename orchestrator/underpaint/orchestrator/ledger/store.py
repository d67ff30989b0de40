"""The interface to the stored ledger: limits, balances and entries.

Each scope has several balances: for all time, for each month, for each day, and for a campaign
with dates. Money counts on the day on which it was reserved, by the ledger's clock in UTC: a
reservation made before midnight and settled after it counts on the earlier day.

A checkpoint closes a day once nothing can be reserved on it any more and no reservation of it is
open. The day's balances then leave the store, and its spend becomes an artifact. The balance of a
month leaves the store when all its days are closed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from underpaint.contract.accounting import Budget, LedgerEntry, Period
from underpaint.contract.errors import BudgetExceeded, LedgerFrozen
from underpaint.contract.money import format_usd
from underpaint.contract.promotion import Account

EVER: Final = ""  # the window of all time
CAMPAIGN: Final = "campaign"  # the window from the first to the last day of a scope's campaign
Amounts = tuple[int, int]  # reserved and spent, micro-dollars
Cell = tuple[str, tuple[str, ...], str]  # day, scopes, model
Campaign = tuple[str, str, str]  # scope, first and last day


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Money reserved for a promotion."""

    day: str
    scopes: tuple[str, ...]
    usd_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendCell:
    """What one account was charged for one model, for work reserved on one day."""

    day: str
    account: Account
    model: str
    promotions: int
    charged_usd_micros: int
    cloud_only_usd_micros: int

    @property
    def cell(self) -> Cell:
        """The key of this cell."""
        return (self.day, self.account.scopes, self.model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names of some balances."""

    amounts: Sequence[tuple[str, str]] = ()  # scope and window
    spend: Sequence[Cell] = ()
    open: Sequence[str] = ()  # promotion ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Balances:
    """Some balances as they were at one moment."""

    entry: str = ""  # id of the last entry, "" for none
    number: int = 0  # of the last entry
    today: str = ""
    over: str = ""  # on this day and before, nothing can be reserved any more
    # By scope and window: EVER, CAMPAIGN, a month such as 2026-11 or a day such as 2026-11-21.
    amounts: Mapping[tuple[str, str], Amounts] = field(default_factory=dict)
    campaigns: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # first, last day
    spend: Sequence[SpendCell] = ()
    # By promotion id; None if nothing is reserved for it.
    open: Mapping[str, Reservation | None] = field(default_factory=dict)
    closed: Mapping[str, str] | None = None  # every closed day's artifact; None if not asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint: its last entry, and the artifact that holds the sums up to there."""

    entry: str
    number: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """Days and months whose balances leave the store when a checkpoint is kept."""

    days: Mapping[str, str] = field(default_factory=dict)  # SHA-256 of each day's spend
    months: Sequence[str] = ()
    over: str = ""  # on this day and before, nothing may be reserved from now on


class LedgerStore(Protocol):
    """Stores limits, balances, entries and checkpoints.

    Any method may raise LedgerUnavailable: then it is unknown whether the change was made.
    """

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
        """Sets the limit of a scope for a period. Spend so far in the period counts.

        Args:
            scope: such as "project:acme/web".
            limit_usd_micros: micro-dollars.
            period: what the limit is for: a day, a month or a campaign.
            soft: whether going over the limit only warns.
            from_day: first day of a campaign, YYYY-MM-DD; "" for no first day.
            until_day: last day of a campaign; "" for no last day.
        """

    async def remove_budget(self, scope: str, period: Period) -> None:
        """Removes a limit, if there is one."""

    async def seed_budget(self, scope: str, limit_usd_micros: int) -> bool:
        """Sets a limit for all time, unless the ledger has entries already; returns if it did."""

    async def budgets(self) -> Sequence[Budget]:
        """Every limit, sorted by scope and period, with today's balances."""

    async def limits(self, scopes: Sequence[str]) -> Sequence[Budget]:
        """The limits in force today for some scopes, in the order of the scopes."""

    async def keep_prices(self, version: str, digest: str) -> bool:
        """Records the digest of a price table; False if the version has another digest already."""

    async def spend(self, since_day: str) -> Sequence[SpendCell]:
        """What was charged for work reserved on a day or later; "" for all days."""

    async def entries(self, after: str, most: int) -> Sequence[LedgerEntry]:
        """Up to `most` entries after an entry id, in order. Trimmed ones are missing."""

    def parts(self) -> AsyncGenerator[Balances]:
        """All balances in bounded parts; each part is read at one moment.

        A balance that appears or disappears meanwhile may be missing; one may come twice.
        """

    async def look(self, names: Names) -> Balances:
        """Reads some balances at one moment; one that does not exist reads as zero."""

    async def rebuild(self, balances: Balances) -> bool:
        """Sets amounts and spend if the last entry is still `balances.entry`; returns if it was."""

    async def frozen(self) -> str:
        """Why spending is frozen; "" if it is not."""

    async def freeze(self, reason: str) -> None:
        """Refuses new reservations. The first reason stays; open reservations still resolve."""

    async def thaw(self, because: str) -> str:
        """Allows reservations again; returns why they were refused, "" if they were not."""

    async def checkpoint(self) -> Checkpoint | None:
        """The latest checkpoint, if there is one."""

    async def keep_checkpoint(
        self, checkpoint: Checkpoint, before: Checkpoint | None, closing: Closing
    ) -> bool:
        """Makes a checkpoint the latest one, and closes days that are in it.

        Args:
            checkpoint: the new one.
            before: the one it was made from.
            closing: days up to `over` of an earlier checkpoint, without open reservations, and
                months without remaining days.

        Returns:
            False if `before` is no longer the latest checkpoint; then nothing is changed.
        """

    async def trim(self) -> None:
        """Removes the entries that the latest checkpoint holds."""


def no_room(budget: Budget, wanted_usd_micros: int) -> BudgetExceeded:
    """The error for a budget that is too small."""
    per = "" if budget.period is Period.CAMPAIGN else f" --per {budget.period.value}"
    return BudgetExceeded(
        f"{budget.scope} has {format_usd(max(0, budget.left_usd_micros))} left of "
        f"{budget.terms} and this needs {format_usd(wanted_usd_micros)}; "
        f"raise it with `underpaint budget set {budget.scope} DOLLARS{per}`"
    )


def no_budget(scopes: Sequence[str]) -> BudgetExceeded:
    """The error for an account that has no budget today in any of its scopes."""
    project = next((scope for scope in scopes if scope.startswith("project:")), scopes[0])
    return BudgetExceeded(
        f"none of {', '.join(scopes)} has a budget; "
        f"set one with `underpaint budget set {project} 5`"
    )


def too_much(scope: str) -> BudgetExceeded:
    """The error for a sum that the ledger could no longer count exactly."""
    return BudgetExceeded(f"{scope} would exceed the largest sum that the ledger can hold")


def spending_frozen() -> LedgerFrozen:
    """The error for a reservation while spending is frozen.

    It leaves out the reason, which may name another organisation.
    """
    return LedgerFrozen(
        "spending is frozen because the ledger does not add up; an operator can look into it with "
        "`underpaint ledger verify` and end it with `underpaint ledger thaw --because REASON`"
    )


def over_soft(scope: str, period: Period, limit_usd_micros: int, over_usd_micros: int) -> str:
    """The warning that a reservation goes over a soft limit."""
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
    """The windows that contain a day: all time, its month and the day itself."""
    return (EVER, day[:7], day)


def covers(from_day: str, until_day: str, day: str) -> bool:
    """Whether a campaign from `from_day` to `until_day` covers a day; "" leaves an end open."""
    return from_day <= day and (not until_day or day <= until_day)


def order(entry_id: str) -> tuple[int, int]:
    """The sort key of ids of entries and events; "" comes first."""
    at, _, number = entry_id.partition("-")
    return int(at or 0), int(number or 0)
