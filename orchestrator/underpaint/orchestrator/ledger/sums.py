"""How a replay keeps its sums of money, and how the sums are named.

A large installation has a hundred thousand of them. They are kept in dicts from str to int,
which the garbage collector need not scan; with a tuple for each sum, its scans would block all
threads.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from underpaint.contract.promotion import SCOPE_KINDS, Account
from underpaint.orchestrator.ledger.store import Amounts, Cell, SpendCell

Sums = tuple[int, int, int]  # promotions, charged and all-cloud micro-dollars


@dataclass(frozen=True, slots=True)
class Window:
    """What each scope reserved and spent in one window, in micro-dollars."""

    reserved: dict[str, int] = field(default_factory=dict)
    spent: dict[str, int] = field(default_factory=dict)

    def add(self, scope: str, reserved: int, spent: int) -> None:
        """Adds to the sums of a scope; amounts may be negative."""
        self.reserved[scope] = self.reserved.get(scope, 0) + reserved
        self.spent[scope] = self.spent.get(scope, 0) + spent

    def of(self, scope: str) -> Amounts:
        """What a scope reserved and spent."""
        return self.reserved.get(scope, 0), self.spent.get(scope, 0)


@dataclass(frozen=True, slots=True)
class DaysSpend:
    """What was charged on a day, by cell name; see `cell_name`."""

    promotions: dict[str, int] = field(default_factory=dict)
    charged: dict[str, int] = field(default_factory=dict)
    cloud_only: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, sums: Sums) -> None:
        """Adds to the sums of a cell."""
        for kept, more in zip((self.promotions, self.charged, self.cloud_only), sums, strict=True):
            kept[name] = kept.get(name, 0) + more

    def of(self, name: str) -> Sums:
        """The sums of a cell."""
        return self.promotions.get(name, 0), self.charged.get(name, 0), self.cloud_only.get(name, 0)


def cell_name(scopes: Iterable[str], model: str) -> str:
    """The name of a cell within its day: its scopes and its model, separated by blanks."""
    return " ".join((*scopes, model))


def cell_of(day: str, name: str) -> Cell:
    """The reverse of `cell_name`."""
    *scopes, model = name.split(" ", len(SCOPE_KINDS))
    return day, tuple(scopes), model


def spend_cell(cell: Cell, sums: Sums) -> SpendCell:
    """A cell together with its sums."""
    day, scopes, model = cell
    return SpendCell(
        day=day,
        account=Account.of(scopes),
        model=model,
        promotions=sums[0],
        charged_usd_micros=sums[1],
        cloud_only_usd_micros=sums[2],
    )
