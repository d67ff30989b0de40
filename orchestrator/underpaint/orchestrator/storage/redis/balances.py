"""Reads the balances from Redis in small parts, for the audit, and rebuilds them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from typing_extensions import override
from underpaint.orchestrator.ledger.store import (
    CAMPAIGN,
    EVER,
    Amounts,
    Balances,
    Names,
    Reservation,
    SpendCell,
)
from underpaint.orchestrator.ledger.sums import cell_name, cell_of, spend_cell
from underpaint.orchestrator.storage.redis import records
from underpaint.orchestrator.storage.redis.ledger import FIRST_DAY, SCRIPTS, RedisLedger

AT_ONCE: Final = 200  # fields that Redis reads in one call: about a millisecond
_READERS: Final = ("days", "parts", "look")


class RedisBalances(RedisLedger):
    """Reads and rebuilds balances."""

    async def parts(self) -> AsyncGenerator[Balances]:
        """All balances in parts; each part is read at one moment."""
        told, listed, closed = await self._run("days")
        days = [day.decode() for day in listed]
        names = records.pairs(closed)
        first = _balances(told, closed={day.decode(): names[day].decode() for day in names})
        yield first
        months = {day[:7] for day in (*days, first.over) if day}
        sources = [("scopes", "")]
        sources += [("balance", window) for window in (*days, *sorted(months))]
        sources += [("spend", day) for day in days]
        for which, name in (*sources, ("open", "")):
            cursor = b"0"
            while True:
                told, cursor, rows = await self._run("parts", which, name, cursor, AT_ONCE)
                yield _balances(told, **{"windows" if which == "balance" else which: rows})
                if cursor == b"0":
                    break

    async def look(self, names: Names) -> Balances:
        """Some balances at one moment."""
        asked: list[str] = []
        for key in names.amounts:
            asked += key
        for day, scopes, model in names.spend:
            asked += (day, cell_name(scopes, model))
        told, scopes, windows, spend, held = await self._run(
            "look", len(names.amounts), len(names.spend), *asked, *names.open
        )
        return _balances(told, scopes=scopes, windows=windows, spend=spend, open=held)

    async def rebuild(self, balances: Balances) -> bool:
        """Sets amounts and spend, if the last entry is still the same."""
        told: list[str] = []
        for (scope, window), (reserved, spent) in balances.amounts.items():
            told += (scope, window, str(reserved), str(spent))
        for cell in balances.spend:
            name = cell_name(cell.account.scopes, cell.model)
            sums = (cell.promotions, cell.charged_usd_micros, cell.cloud_only_usd_micros)
            told += (cell.day, name, *map(str, sums))
        counts = (len(balances.amounts), len(balances.spend))
        return bool(await self._run("rebuild", balances.entry, *counts, *told))

    @override
    def _source(self, script: str) -> str:
        source = super()._source(script)
        if script not in _READERS:
            return source
        common = (SCRIPTS / "common.lua").read_text()
        return common + (SCRIPTS / "audit.lua").read_text() + source.removeprefix(common)


def _balances(
    told: Sequence[bytes],
    *,
    scopes: Sequence[Any] = (),
    windows: Sequence[Any] = (),
    spend: Sequence[Any] = (),
    open: Sequence[Any] = (),  # noqa: A002 -- as the rows are called
    closed: Mapping[str, str] | None = None,
) -> Balances:
    """Some balances from the rows that scripts return."""
    entry, number, today, over = told
    amounts: dict[tuple[str, str], Amounts] = {}
    campaigns: dict[str, tuple[str, str]] = {}
    for name, (reserved, spent, first, last, *campaign) in scopes:
        scope = name.decode()
        amounts[scope, EVER] = (int(reserved or 0), int(spent or 0))
        if first is not None:
            campaigns[scope] = (first.decode(), last.decode())
            amounts[scope, CAMPAIGN] = (int(campaign[0] or 0), int(campaign[1] or 0))
    for name, window, (reserved, spent) in windows:
        amounts[name.decode(), window.decode()] = (int(reserved or 0), int(spent or 0))
    return Balances(
        entry=entry.decode(),
        number=int(number),
        today=today.decode(),
        over=(FIRST_DAY + timedelta(days=int(over))).isoformat() if over else "",
        amounts=amounts,
        campaigns=campaigns,
        spend=[_cell(day.decode(), cell.decode(), sums) for day, cell, sums in spend],
        open={
            promotion_id.decode(): Reservation(
                day=(day or b"").decode(),
                scopes=tuple((names or b"").decode().split()),
                usd_micros=int(most or 0),
            )
            if deadline
            else None
            for promotion_id, deadline, (day, names, most) in open
        },
        closed=closed,
    )


def _cell(day: str, name: str, sums: Sequence[bytes | None]) -> SpendCell:
    promotions, charged, cloud_only = (int(each or 0) for each in sums)
    return spend_cell(cell_of(day, name), (promotions, charged, cloud_only))
