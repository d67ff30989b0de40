"""The ledger store in Redis: limits, balances, entries, checkpoints and the freeze."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date
from importlib import resources
from typing import Any, Final

from underpaint.contract.accounting import Budget, LedgerEntry, Period
from underpaint.orchestrator.ledger.closed import ClosedDays
from underpaint.orchestrator.ledger.store import Checkpoint, Closing, SpendCell
from underpaint.orchestrator.ledger.sums import cell_of, spend_cell
from underpaint.orchestrator.storage.redis import connection, records

SCRIPTS: Final = resources.files(__package__)
FIRST_DAY: Final = date(1970, 1, 1)


class RedisLedger:
    """Changes the ledger by one Lua script for each operation; all keys share one hash tag."""

    def __init__(self, url: str, root: str, closed: ClosedDays) -> None:
        """Connects at the first call.

        Args:
            url: redis://, rediss:// or unix://.
            root: the hash tag with which all keys begin.
            closed: reads the spend of closed days.
        """
        # redis-py's types leave open whether answers are text; ours are bytes.
        self._redis: Any = connection.connect(url)
        self._root = root
        self._closed = closed
        self._scripts: dict[str, connection.Script] = {}

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
        _, row = await self._limit(budget)
        return records.budget_from(row)

    async def remove_budget(self, scope: str, period: Period) -> None:
        """Removes a limit."""
        lifted = f"no limit for a {period.value}"
        await self._run("limit", scope, period.value, "", "0", "", "", lifted, "0")

    async def seed_budget(self, scope: str, limit_usd_micros: int) -> bool:
        """Sets a limit for all time, unless the ledger has entries already."""
        budget = Budget(scope=scope, limit_usd_micros=limit_usd_micros)
        verdict, *_ = await self._limit(budget, only_if_new=True)
        return bool(verdict == b"set")

    async def budgets(self) -> Sequence[Budget]:
        """Every limit, by scope and period."""
        return [records.budget_from(row) for row in await self._run("budgets", "")]

    async def limits(self, scopes: Sequence[str]) -> Sequence[Budget]:
        """The limits in force today for some scopes."""
        return [records.budget_from(row) for row in await self._run("budgets", " ".join(scopes))]

    async def keep_prices(self, version: str, digest: str) -> bool:
        """Records the digest of a version of the price table."""
        with connection.translated():
            await self._redis.hsetnx(self._key("prices"), version, digest)
            kept = await self._redis.hget(self._key("prices"), version)
        return bool(kept == digest.encode())

    async def spend(self, since_day: str) -> Sequence[SpendCell]:
        """What was charged for work reserved on a day or later."""
        # Open days first: a day that is closed meanwhile is then in both lists, never in neither.
        found = await self._open_spend(since_day)
        closed = await self._closed_days()
        days = {day: sha256 for day, sha256 in closed.items() if day >= since_day}
        return [
            *await self._closed.spend(days),
            *(cell for cell in found if cell.day not in closed),
        ]

    async def entries(self, after: str, most: int) -> Sequence[LedgerEntry]:
        """Up to `most` entries after an id, in order."""
        with connection.translated():
            rows = await self._redis.xrange(
                self._key("ledger"), min=f"({after}" if after else "-", max="+", count=most
            )
        return [records.entry_from(entry_id, fields) for entry_id, fields in rows]

    async def frozen(self) -> str:
        """Why spending is frozen; "" if it is not."""
        with connection.translated():
            reason = await self._redis.get(self._key("frozen"))
        return (reason or b"").decode()

    async def freeze(self, reason: str) -> None:
        """Refuses new reservations."""
        await self._run("freeze", reason)

    async def thaw(self, because: str) -> str:
        """Allows reservations again."""
        return str((await self._run("thaw", because)).decode())

    async def checkpoint(self) -> Checkpoint | None:
        """The latest checkpoint."""
        with connection.translated():
            fields = await self._redis.hgetall(self._key("checkpoint"))
        if not fields:
            return None
        return Checkpoint(
            entry=fields[b"entry"].decode(),
            number=int(fields[b"number"]),
            sha256=fields[b"sha256"].decode(),
        )

    async def keep_checkpoint(
        self, checkpoint: Checkpoint, before: Checkpoint | None, closing: Closing
    ) -> bool:
        """Makes a checkpoint the latest one, and closes days."""
        over = (date.fromisoformat(closing.over) - FIRST_DAY).days if closing.over else ""
        days = [field for day in closing.days.items() for field in day]
        kept = await self._run(
            "checkpoint",
            checkpoint.entry,
            checkpoint.number,
            checkpoint.sha256,
            before.sha256 if before else "",
            over,
            len(closing.days),
            *days,
            *closing.months,
        )
        return bool(kept)

    async def trim(self) -> None:
        """Removes the entries that the latest checkpoint holds."""
        while await self._run("trim"):
            pass

    def _key(self, *parts: str) -> str:
        return ":".join((self._root, *parts))

    def _source(self, script: str) -> str:
        """The text of a script."""
        return (SCRIPTS / "common.lua").read_text() + (SCRIPTS / f"{script}.lua").read_text()

    async def _run(self, script: str, *arguments: str | bytes | int) -> Any:
        if script not in self._scripts:
            self._scripts[script] = connection.Script(self._source(script))
        with connection.translated():
            return await self._redis.run(self._scripts[script], self._root, *arguments)

    async def _limit(self, budget: Budget, *, only_if_new: bool = False) -> Any:
        while True:
            closed, spent = await self._spent_before(budget)
            answer = await self._run(
                "limit",
                budget.scope,
                budget.period.value,
                str(budget.limit_usd_micros),
                "1" if budget.soft else "0",
                budget.from_day,
                budget.until_day,
                budget.terms,
                "1" if only_if_new else "0",
                closed,
                str(spent),
            )
            if answer[0] != b"closed":  # otherwise a day was closed meanwhile: ask again
                return answer

    async def _spent_before(self, budget: Budget) -> tuple[int, int]:
        """How many days are closed, and what the scope of a campaign spent on those it covers."""
        if not (budget.from_day or budget.until_day):
            return 0, 0
        closed = await self._closed_days()
        campaign = (budget.scope, budget.from_day, budget.until_day)
        spent = await self._closed.spent(closed, [campaign]) if closed else {}
        return len(closed), spent.get(campaign, 0)

    async def _closed_days(self) -> dict[str, str]:
        with connection.translated():
            fields = await self._redis.hgetall(self._key("closed"))
        return {day.decode(): sha256.decode() for day, sha256 in fields.items()}

    async def _open_spend(self, since_day: str) -> list[SpendCell]:
        """What was charged on days that are not closed."""
        with connection.translated():
            days = await self._redis.zrange(
                self._key("days"), f"[{since_day}" if since_day else "-", "+", bylex=True
            )
            async with self._redis.pipeline(transaction=False) as pipeline:
                for day in days:
                    pipeline.hgetall(self._key("spend", day.decode()))
                stored = await pipeline.execute()
        return await asyncio.to_thread(_all_cells, days, stored)


def _all_cells(days: Sequence[bytes], stored: Sequence[records.Fields]) -> list[SpendCell]:
    return [
        cell
        for day, fields in zip(days, stored, strict=True)
        for cell in _cells(day.decode(), fields)
    ]


def _cells(day: str, fields: records.Fields) -> list[SpendCell]:
    """The spend of one day, from its hash."""
    cells = []
    for field, charged in fields.items():
        kind, _, cell = field.partition(b" ")
        if kind == b"charged":
            others = (int(fields[name + cell]) for name in (b"promotions ", b"cloud_only "))
            promotions, cloud_only = others
            sums = (promotions, int(charged), cloud_only)
            cells.append(spend_cell(cell_of(day, cell.decode()), sums))
    return cells
