"""Sums of money as a replay keeps them, and what they are called.

In a big house there are a hundred thousand of them. In maps from text to whole numbers the
garbage collector has nothing to look at; a tuple for each would stop every thread for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from underpaint.contract.promotion import SCOPE_KINDS, Account
from underpaint.orchestrator.ledger.store import Amounts, Cell, SpendCell

Sums = tuple[int, int, int]  # promotions, charged and all-cloud micro-dollars


@dataclass(frozen=True, slots=True)
class Window:
    """What scopes reserved and spent."""

    reserved: dict[str, int] = field(default_factory=dict)
    spent: dict[str, int] = field(default_factory=dict)

    def add(self, scope: str, reserved: int, spent: int) -> None:
        """Moves money of a scope."""
        self.reserved[scope] = self.reserved.get(scope, 0) + reserved
        self.spent[scope] = self.spent.get(scope, 0) + spent

    def of(self, scope: str) -> Amounts:
        """What a scope has."""
        return self.reserved.get(scope, 0), self.spent.get(scope, 0)


@dataclass(frozen=True, slots=True)
class DaysSpend:
    """What was charged on a day, by scopes and model with blanks in between."""

    promotions: dict[str, int] = field(default_factory=dict)
    charged: dict[str, int] = field(default_factory=dict)
    cloud_only: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, sums: Sums) -> None:
        """Adds to a cell."""
        for kept, more in zip((self.promotions, self.charged, self.cloud_only), sums, strict=True):
            kept[name] = kept.get(name, 0) + more

    def of(self, name: str) -> Sums:
        """What is in a cell."""
        return self.promotions.get(name, 0), self.charged.get(name, 0), self.cloud_only.get(name, 0)


def cell_name(scopes: Iterable[str], model: str) -> str:
    """What a cell is called within its day: its scopes and its model."""
    return " ".join((*scopes, model))


def cell_of(day: str, name: str) -> Cell:
    """The cell of a name."""
    *scopes, model = name.split(" ", len(SCOPE_KINDS))
    return day, tuple(scopes), model


def spend_cell(cell: Cell, sums: Sums) -> SpendCell:
    """A cell with what was charged in it."""
    day, scopes, model = cell
    return SpendCell(
        day=day,
        account=Account.of(scopes),
        model=model,
        promotions=sums[0],
        charged_usd_micros=sums[1],
        cloud_only_usd_micros=sums[2],
    )
