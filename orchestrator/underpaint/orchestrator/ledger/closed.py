"""The spend of closed days, stored as one artifact for each day."""

from __future__ import annotations

import asyncio
import io
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from underpaint.contract.errors import LedgerUnavailable, UnderpaintError
from underpaint.contract.pictures import Digest
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.ledger.store import Campaign, SpendCell, covers
from underpaint.orchestrator.ledger.sums import DaysSpend, cell_of, spend_cell

_line: Final = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class ClosedDays:
    """Reads and writes the spend of closed days in the artifact store."""

    artifacts: Artifacts | None

    async def put(self, spend: DaysSpend) -> str:
        """Stores the spend of a day; returns the SHA-256 of its artifact.

        Raises:
            ServiceUnreachable: the artifact store cannot write now.
        """
        data, digest = await asyncio.to_thread(_written, spend)
        await self._store().put(data, digest)
        return digest.sha256

    async def spend(self, days: Mapping[str, str]) -> list[SpendCell]:
        """What was charged on closed days, given as a map from day to SHA-256.

        Raises:
            LedgerUnavailable: a day cannot be read.
        """
        found: list[SpendCell] = []
        for day in sorted(days):
            found += await asyncio.to_thread(_cells, await self._get(day, days[day]), day)
        return found

    async def spent(
        self, days: Mapping[str, str], campaigns: Collection[Campaign]
    ) -> dict[Campaign, int]:
        """What each campaign's scope spent on those closed days that the campaign covers.

        Raises:
            LedgerUnavailable: a day cannot be read.
        """
        sums = dict.fromkeys(campaigns, 0)
        for day in sorted(days):
            on_it = [each for each in sums if covers(*each[1:], day)]
            if on_it:
                by_scope = await asyncio.to_thread(_by_scope, await self._get(day, days[day]), day)
                for campaign in on_it:
                    sums[campaign] += by_scope.get(campaign[0], 0)
        return sums

    def _store(self) -> Artifacts:
        if self.artifacts is None:
            raise LedgerUnavailable("the spend of closed days needs the artifact store")
        return self.artifacts

    async def _get(self, day: str, sha256: str) -> bytes:
        try:
            data, _ = await self._store().get(sha256)
        except UnderpaintError as error:
            raise LedgerUnavailable(f"the spend of {day} cannot be read: {error}") from None
        return data


def _written(spend: DaysSpend) -> tuple[bytes, Digest]:
    out = io.BytesIO()
    for name in spend.promotions:
        out.write(_line((name, *spend.of(name))).encode() + b"\n")
    data = out.getvalue()
    return data, Digest.of(data, "application/jsonl")


def _read(data: bytes, day: str) -> Iterator[SpendCell]:
    for line in io.BytesIO(data):
        name, *sums = json.loads(line)
        yield spend_cell(cell_of(day, name), (sums[0], sums[1], sums[2]))


def _cells(data: bytes, day: str) -> list[SpendCell]:
    return list(_read(data, day))


def _by_scope(data: bytes, day: str) -> dict[str, int]:
    spent: dict[str, int] = defaultdict(int)
    for cell in _read(data, day):
        for scope in cell.account.scopes:
            spent[scope] += cell.charged_usd_micros
    return spent
