"""Adding up the ledger: pure, entry by entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from underpaint.contract.accounting import LedgerEntry
from underpaint.contract.money import format_usd
from underpaint.contract.promotion import Account
from underpaint.orchestrator.ledger.store import (
    CAMPAIGN,
    EVER,
    Amounts,
    Balances,
    Reservation,
    SpendCell,
    covers,
    windows,
)

MOST_PROBLEMS: Final = 100  # the rest would say no more

_Cell = tuple[str, tuple[str, ...], str]  # day, scopes, model


@dataclass(slots=True)
class LedgerReplay:
    """What the entries up to one add up to."""

    entry: str = ""
    number: int = 0
    amounts: dict[tuple[str, str], Amounts] = field(default_factory=dict)  # by scope and day
    cells: dict[_Cell, tuple[int, int, int]] = field(default_factory=dict)
    open: dict[str, Reservation] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, entry: LedgerEntry) -> None:
        """Adds the next entry; one that cannot follow is added all the same, and noted."""
        if entry.number != self.number + 1:
            self._wrong(f"entries {self.number + 1} to {entry.number - 1} are missing")
        self.entry, self.number = entry.id, entry.number
        if entry.kind == "reserve":
            if entry.promotion_id in self.open:
                self._wrong(f"{entry.promotion_id} is reserved twice")
            self.open[entry.promotion_id] = Reservation(
                day=entry.day, scopes=entry.scopes, usd_micros=entry.reserved_usd_micros
            )
        elif entry.kind in ("settle", "release", "expire"):
            self._resolve(entry)
        for scope in entry.scopes if entry.reserved_usd_micros or entry.spent_usd_micros else ():
            reserved, spent = self.amounts.get((scope, entry.day), (0, 0))
            self.amounts[scope, entry.day] = (
                reserved + entry.reserved_usd_micros,
                spent + entry.spent_usd_micros,
            )

    def _resolve(self, entry: LedgerEntry) -> None:
        held = self.open.pop(entry.promotion_id, None)
        if held is None:
            self._wrong(f"{entry.promotion_id}: a {entry.kind} of what is not reserved")
        elif (held.day, held.scopes, -held.usd_micros) != (
            entry.day,
            entry.scopes,
            entry.reserved_usd_micros,
        ):
            self._wrong(f"{entry.promotion_id}: its {entry.kind} is not of what was reserved")
        elif not 0 <= entry.spent_usd_micros <= held.usd_micros:
            self._wrong(f"{entry.promotion_id}: charged other than 0 to what was reserved")
        if entry.kind == "settle":
            cell = (entry.day, entry.scopes, entry.model)
            promotions, charged, cloud_only = self.cells.get(cell, (0, 0, 0))
            self.cells[cell] = (
                promotions + 1,
                charged + entry.spent_usd_micros,
                cloud_only + entry.cloud_only_usd_micros,
            )

    def balances(self, campaigns: Mapping[str, tuple[str, str]]) -> Balances:
        """What the balances must be, given the days of each scope's campaign."""
        amounts: dict[tuple[str, str], Amounts] = {}

        def add(scope: str, window: str, more: Amounts) -> None:
            reserved, spent = amounts.get((scope, window), (0, 0))
            amounts[scope, window] = (reserved + more[0], spent + more[1])

        for (scope, day), more in self.amounts.items():
            for window in windows(day):
                add(scope, window, more)
            if scope in campaigns and covers(*campaigns[scope], day):
                add(scope, CAMPAIGN, more)
        return Balances(
            entry=self.entry,
            number=self.number,
            amounts=amounts,
            campaigns=campaigns,
            spend=tuple(_spend_cell(cell, sums) for cell, sums in self.cells.items()),
            open=dict(self.open),
        )

    def dump(self) -> dict[str, object]:
        """All of it for JSON, in one order."""
        return {
            "entry": self.entry,
            "number": self.number,
            "amounts": [[*key, *value] for key, value in sorted(self.amounts.items())],
            "cells": [[*key, *value] for key, value in sorted(self.cells.items())],
            "open": [
                [promotion_id, held.day, held.scopes, held.usd_micros]
                for promotion_id, held in sorted(self.open.items())
            ],
        }

    @classmethod
    def of(cls, kept: dict[str, Any]) -> LedgerReplay:
        """From what `dump` gave, by way of JSON."""
        return cls(
            entry=kept["entry"],
            number=kept["number"],
            amounts={(scope, day): (held, spent) for scope, day, held, spent in kept["amounts"]},
            cells={
                (day, tuple(scopes), model): (promotions, charged, cloud_only)
                for day, scopes, model, promotions, charged, cloud_only in kept["cells"]
            },
            open={
                promotion_id: Reservation(day=day, scopes=tuple(scopes), usd_micros=usd_micros)
                for promotion_id, day, scopes, usd_micros in kept["open"]
            },
        )

    def _wrong(self, problem: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)


def differences(due: Balances, kept: Balances) -> list[str]:
    """One line for each balance that is not what the entries add up to."""
    found = []
    if due.number != kept.number:
        found.append(f"entries {due.number + 1} to {kept.number} are missing")
    for scope, window in sorted(due.amounts.keys() | kept.amounts.keys()):
        right = due.amounts.get((scope, window), (0, 0))
        wrong = kept.amounts.get((scope, window), (0, 0))
        if right != wrong:
            found.append(
                f"{scope} {_in_words(window)}: the entries add up to {_amounts(right)}, "
                f"the balance is {_amounts(wrong)}"
            )
    ours, theirs = ({cell_of(each): each for each in side.spend} for side in (due, kept))
    for cell in sorted(ours.keys() | theirs.keys()):
        if ours.get(cell) != theirs.get(cell):
            found.append(f"spend of {' '.join(cell[1])} on {cell[0]} by {cell[2]} differs")
    for promotion_id in sorted(due.open.keys() | kept.open.keys()):
        entries, record = due.open.get(promotion_id), kept.open.get(promotion_id)
        if entries != record:
            said = f"the entries hold {_held(entries)} for it, its record {_held(record)}"
            found.append(f"promotion {promotion_id}: {said}")
    return found


def cell_of(cell: SpendCell) -> _Cell:
    """What tells a cell from others: its day, scopes and model."""
    return (cell.day, cell.account.scopes, cell.model)


def _spend_cell(cell: _Cell, sums: tuple[int, int, int]) -> SpendCell:
    day, scopes, model = cell
    return SpendCell(
        day=day,
        account=Account.of(scopes),
        model=model,
        promotions=sums[0],
        charged_usd_micros=sums[1],
        cloud_only_usd_micros=sums[2],
    )


def _in_words(window: str) -> str:
    if window == EVER:
        return "in all"
    return "in its campaign" if window == CAMPAIGN else f"in {window}"


def _amounts(amounts: Amounts) -> str:
    return f"{format_usd(amounts[0])} reserved and {format_usd(amounts[1])} spent"


def _held(reservation: Reservation | None) -> str:
    if reservation is None:
        return "nothing"
    return f"{format_usd(reservation.usd_micros)} since {reservation.day}"
