"""Replays the ledger entry by entry, to compute what every balance must be. Pure: no I/O."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from underpaint.contract.accounting import LedgerEntry
from underpaint.contract.money import format_usd
from underpaint.orchestrator.ledger.store import (
    CAMPAIGN,
    EVER,
    Amounts,
    Balances,
    Campaign,
    Names,
    Reservation,
    covers,
    windows,
)
from underpaint.orchestrator.ledger.sums import (
    DaysSpend,
    Sums,
    Window,
    cell_name,
    cell_of,
    spend_cell,
)

MOST_PROBLEMS: Final = 100  # more would tell an operator nothing new
AT_ONCE: Final = 200  # balances in one batch
DAYS_AT_ONCE: Final = 100  # days that one checkpoint closes at most

_line: Final = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(slots=True)
class LedgerReplay:
    """The sums of all entries up to one of them."""

    entry: str = ""
    number: int = 0
    # By window; without campaigns, and without closed days and months.
    amounts: dict[str, Window] = field(default_factory=lambda: defaultdict(Window))
    spend: dict[str, DaysSpend] = field(default_factory=lambda: defaultdict(DaysSpend))
    open: dict[str, Reservation] = field(default_factory=dict)
    days: set[str] = field(default_factory=set)  # open days on which money was reserved
    closed: dict[str, str] = field(default_factory=dict)  # SHA-256 of the spend of closed days
    campaigns: dict[Campaign, int] = field(default_factory=dict)  # spent on closed days
    problems: list[str] = field(default_factory=list)

    def add(self, entry: LedgerEntry) -> None:
        """Adds the next entry. One that cannot be right is added too, and noted in `problems`."""
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
        elif not entry.reserved_usd_micros and not entry.spent_usd_micros:
            return
        if entry.day in self.closed:
            self._wrong(f"entry {entry.number} is of {entry.day}, which is closed")
        self.days.add(entry.day)
        for window in windows(entry.day):
            for scope in entry.scopes:
                self.amounts[window].add(scope, entry.reserved_usd_micros, entry.spent_usd_micros)

    def _resolve(self, entry: LedgerEntry) -> None:
        held = self.open.pop(entry.promotion_id, None)
        if held is None:
            self._wrong(f"{entry.promotion_id}: a {entry.kind} without a reservation")
        elif (held.day, held.scopes, -held.usd_micros) != (
            entry.day,
            entry.scopes,
            entry.reserved_usd_micros,
        ):
            self._wrong(f"{entry.promotion_id}: its {entry.kind} differs from its reservation")
        elif not 0 <= entry.spent_usd_micros <= held.usd_micros:
            self._wrong(f"{entry.promotion_id}: its charge is negative or above its reservation")
        if entry.kind == "settle":
            name = cell_name(entry.scopes, entry.model)
            sums = (1, entry.spent_usd_micros, entry.cloud_only_usd_micros)
            self.spend[entry.day].add(name, sums)

    def differences(self, kept: Balances) -> Iterator[tuple[str, Names]]:
        """Compares some balances with the sums of the entries.

        Args:
            kept: balances read at one moment; the replay must have come exactly to the entry that
                was the last at that moment.

        Returns:
            For each difference one line of text, and the name of the wrong balance.
        """
        if self.number != kept.number:
            yield f"entries {self.number + 1} to {kept.number} are missing", Names()
        due = self.due(kept)
        for (scope, window), amounts in kept.amounts.items():
            right = due.amounts[scope, window]
            if right != amounts:
                line = (
                    f"{scope} {_in_words(window)}: the entries add up to {_amounts(right)}, "
                    f"the balance is {_amounts(amounts)}"
                )
                yield line, Names(amounts=((scope, window),))
        for ours, theirs in zip(due.spend, kept.spend, strict=True):
            if ours != theirs:
                day, scopes, model = ours.cell
                line = f"spend of {' '.join(scopes)} on {day} by {model} differs"
                yield line, Names(spend=(ours.cell,))
        for promotion_id, record in kept.open.items():
            entries = self.open.get(promotion_id)
            if entries != record:
                said = f"the entries reserve {_held(entries)}, its record {_held(record)}"
                yield f"promotion {promotion_id}: {said}", Names()
        if kept.closed is not None and kept.closed != self.closed:
            days = sorted({day for day, _ in kept.closed.items() ^ self.closed.items()})
            yield f"closed days differ: {', '.join(days[:3])}", Names()

    def due(self, kept: Balances) -> Balances:
        """The same balances with the values that the entries add up to."""
        return Balances(
            entry=self.entry,
            number=self.number,
            amounts={
                (scope, window): self._in_campaign(scope, *kept.campaigns[scope])
                if window == CAMPAIGN
                else self._in_window(scope, window)
                for scope, window in kept.amounts
            },
            campaigns=kept.campaigns,
            spend=[
                spend_cell(cell, self._in_cell(*cell))
                for cell in (each.cell for each in kept.spend)
            ],
        )

    def unknown(self, campaigns: Mapping[str, tuple[str, str]]) -> list[Campaign]:
        """Campaigns that cover closed days and whose spend on those days is not yet known."""
        if not self.closed:
            return []
        first_closed, last_closed = min(self.closed), max(self.closed)
        return [
            (scope, first, last)
            for scope, (first, last) in campaigns.items()
            if first <= last_closed
            and (not last or first_closed <= last)
            and (scope, first, last) not in self.campaigns
        ]

    def unseen(
        self,
        amounts: Mapping[str, Set[str]],
        spend: Mapping[str, Set[str]],
        reservations: Set[str],
    ) -> Iterator[Names]:
        """Balances that must exist but were not seen, in batches.

        Args:
            amounts: the scopes that were seen, by window.
            spend: the names of the spend cells that were seen, by day.
            reservations: the promotion ids that were seen.
        """
        for window, kept in list(self.amounts.items()):
            seen = amounts.get(window, frozenset())
            scopes = (each for each in list(kept.reserved) if each not in seen)
            left = ((scope, window) for scope in scopes if any(kept.of(scope)))
            while some := list(islice(left, AT_ONCE)):
                yield Names(amounts=some)
        for day, cells in list(self.spend.items()):
            seen = spend.get(day, frozenset())
            other = (cell_of(day, each) for each in list(cells.promotions) if each not in seen)
            while more := list(islice(other, AT_ONCE)):
                yield Names(spend=more)
        held = (each for each in list(self.open) if each not in reservations)
        while ids := list(islice(held, AT_ONCE)):
            yield Names(open=ids)

    def closable(self, over: str) -> list[str]:
        """Days up to `over` without open reservations, the oldest first."""
        held = {reservation.day for reservation in self.open.values()}
        return sorted(day for day in self.days if day <= over and day not in held)[:DAYS_AT_ONCE]

    def close(
        self, days: Mapping[str, str], over: str, campaigns: Collection[Campaign]
    ) -> list[str]:
        """Removes closed days from the sums.

        Args:
            days: closable days, each with the SHA-256 of its spend.
            over: the last day on which nothing can be reserved any more.
            campaigns: all campaigns; their spend on closed days is kept.

        Returns:
            The months whose balances are removed too, because all their days are closed.
        """
        self.campaigns = {
            campaign: self.campaigns.get(campaign, 0)
            + sum(
                self._in_window(campaign[0], day)[1] for day in days if covers(*campaign[1:], day)
            )
            for campaign in campaigns
        }
        self.closed |= days
        self.days -= days.keys()
        left = {day[:7] for day in self.days}
        months = [
            window
            for window in self.amounts
            if len(window) == len("2026-11") and window < over[:7] and window not in left
        ]
        for window in (*days, *months):
            self.amounts.pop(window, None)
            self.spend.pop(window, None)
        return months

    def dump(self) -> bytes:
        """Serialises the sums as lines of JSON."""
        out = io.BytesIO()

        def tell(*what: object) -> None:
            out.write(_line(what).encode() + b"\n")

        tell("replay", self.entry, self.number, self.closed, sorted(self.days))
        for window, amounts in self.amounts.items():
            for scope in amounts.reserved:
                tell("amounts", window, scope, *amounts.of(scope))
        for day, cells in self.spend.items():
            for name in cells.promotions:
                tell("spend", day, name, *cells.of(name))
        for promotion_id, held in self.open.items():
            tell("open", promotion_id, held.day, held.scopes, held.usd_micros)
        for campaign, spent in self.campaigns.items():
            tell("campaign", *campaign, spent)
        return out.getvalue()

    @classmethod
    def read(cls, data: bytes) -> LedgerReplay:
        """The reverse of `dump`."""
        replay = cls()
        for line in io.BytesIO(data):
            kind, *what = json.loads(line)
            if kind == "replay":
                replay.entry, replay.number, replay.closed, days = what
                replay.days = set(days)
            elif kind == "amounts":
                replay.amounts[what[0]].add(*what[1:])
            elif kind == "spend":
                replay.spend[what[0]].add(what[1], (what[2], what[3], what[4]))
            elif kind == "open":
                replay.open[what[0]] = Reservation(
                    day=what[1], scopes=tuple(what[2]), usd_micros=what[3]
                )
            else:
                replay.campaigns[what[0], what[1], what[2]] = what[3]
        return replay

    @classmethod
    def of_days(cls, kept: dict[str, Any]) -> LedgerReplay:
        """Reads a checkpoint of an older version, which knew no closed days."""
        replay = cls(
            entry=kept["entry"],
            number=kept["number"],
            open={
                promotion_id: Reservation(day=day, scopes=tuple(scopes), usd_micros=usd_micros)
                for promotion_id, day, scopes, usd_micros in kept["open"]
            },
        )
        for scope, day, reserved, spent in kept["amounts"]:
            replay.days.add(day)
            for window in windows(day):
                replay.amounts[window].add(scope, reserved, spent)
        for day, scopes, model, *sums in kept["cells"]:
            replay.spend[day].add(cell_name(scopes, model), (sums[0], sums[1], sums[2]))
        return replay

    def _in_window(self, scope: str, window: str) -> Amounts:
        kept = self.amounts.get(window)
        return kept.of(scope) if kept else (0, 0)

    def _in_cell(self, day: str, scopes: Sequence[str], model: str) -> Sums:
        kept = self.spend.get(day)
        return kept.of(cell_name(scopes, model)) if kept else (0, 0, 0)

    def _in_campaign(self, scope: str, first: str, last: str) -> Amounts:
        on_it = [self._in_window(scope, day) for day in self.days if covers(first, last, day)]
        before = self.campaigns.get((scope, first, last), 0)
        return sum(each[0] for each in on_it), before + sum(each[1] for each in on_it)

    def _wrong(self, problem: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)


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
