"""The books in Redis: limits, balances, entries, checkpoints and the freeze."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any, Final

from underpaint.contract.accounting import Budget, LedgerEntry, Period
from underpaint.contract.promotion import SCOPE_KINDS, Account
from underpaint.orchestrator.ledger.store import (
    CAMPAIGN,
    EVER,
    Amounts,
    Balances,
    Checkpoint,
    Reservation,
    SpendCell,
)
from underpaint.orchestrator.storage.redis import connection, records

SCRIPTS: Final = resources.files(__package__)


class RedisLedger:
    """One Lua script for each thing that changes, all keys under one hash tag."""

    def __init__(self, url: str, root: str) -> None:
        # redis-py's types leave open whether answers are text; ours are bytes.
        self._redis: Any = connection.connect(url)
        self._root = root
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
        """Limits what a scope may spend in a period."""
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
        """Lifts a limit."""
        lifted = f"no limit for a {period.value}"
        await self._run("limit", scope, period.value, "", "0", "", "", lifted, "0")

    async def seed_budget(self, scope: str, limit_usd_micros: int) -> bool:
        """Limits what a scope may ever spend, if no scope has a limit yet."""
        budget = Budget(scope=scope, limit_usd_micros=limit_usd_micros)
        verdict, *_ = await self._limit(budget, only_if_none=True)
        return bool(verdict == b"set")

    async def budgets(self) -> Sequence[Budget]:
        """Every limit, by scope and period."""
        return [records.budget_from(row) for row in await self._run("budgets", "")]

    async def limits(self, scopes: Sequence[str]) -> Sequence[Budget]:
        """The limits that hold today for some scopes."""
        return [records.budget_from(row) for row in await self._run("budgets", " ".join(scopes))]

    async def keep_prices(self, version: str, digest: str) -> bool:
        """Binds a version of the price table to its prices."""
        with connection.translated():
            await self._redis.hsetnx(self._key("prices"), version, digest)
            kept = await self._redis.hget(self._key("prices"), version)
        return bool(kept == digest.encode())

    async def spend(self, since_day: str) -> Sequence[SpendCell]:
        """What was charged for work reserved on a day or later."""
        with connection.translated():
            days = await self._redis.zrange(
                self._key("days"), f"[{since_day}" if since_day else "-", "+", bylex=True
            )
            async with self._redis.pipeline(transaction=False) as pipeline:
                for day in days:
                    pipeline.hgetall(self._key("spend", day.decode()))
                stored = await pipeline.execute()
        return [
            cell
            for day, fields in zip(days, stored, strict=True)
            for cell in _cells(day.decode(), fields)
        ]

    async def entries(self, after: str, most: int) -> Sequence[LedgerEntry]:
        """Entries in order."""
        with connection.translated():
            rows = await self._redis.xrange(
                self._key("ledger"), min=f"({after}" if after else "-", max="+", count=most
            )
        return [records.entry_from(entry_id, fields) for entry_id, fields in rows]

    async def balances(self) -> Balances:
        """All balances at one moment."""
        entry, number, scopes, windows, spend, held = await self._run("balances")
        amounts: dict[tuple[str, str], Amounts] = {}
        campaigns: dict[str, tuple[str, str]] = {}
        for name, (reserved, spent, first, last, *campaign) in scopes:
            scope = name.decode()
            amounts[scope, EVER] = (int(reserved or 0), int(spent or 0))
            if first is not None:
                campaigns[scope] = (first.decode(), last.decode())
                amounts[scope, CAMPAIGN] = (int(campaign[0] or 0), int(campaign[1] or 0))
        for window, flat in windows:
            fields = records.pairs(flat)
            for scope in {field.partition(b" ")[2] for field in fields}:
                amounts[scope.decode(), window.decode()] = (
                    int(fields.get(b"reserved " + scope, 0)),
                    int(fields.get(b"spent " + scope, 0)),
                )
        return Balances(
            entry=entry.decode(),
            number=int(number),
            amounts=amounts,
            campaigns=campaigns,
            spend=[
                cell for day, flat in spend for cell in _cells(day.decode(), records.pairs(flat))
            ],
            open={
                promotion_id.decode(): Reservation(
                    day=(day or b"").decode(),
                    scopes=tuple((names or b"").decode().split()),
                    usd_micros=int(most or 0),
                )
                for promotion_id, (day, names, most) in held
            },
        )

    async def rebuild(self, balances: Balances) -> bool:
        """Sets amounts and spend, if the last entry is still the same."""
        told: list[str] = []
        for (scope, window), (reserved, spent) in balances.amounts.items():
            told += (scope, window, str(reserved), str(spent))
        for cell in balances.spend:
            name = " ".join((*cell.account.scopes, cell.model))
            sums = (cell.promotions, cell.charged_usd_micros, cell.cloud_only_usd_micros)
            told += (cell.day, name, *map(str, sums))
        counts = (len(balances.amounts), len(balances.spend))
        return bool(await self._run("rebuild", balances.entry, *counts, *told))

    async def frozen(self) -> str:
        """Why nothing new may be reserved."""
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

    async def keep_checkpoint(self, checkpoint: Checkpoint, before: Checkpoint | None) -> bool:
        """Keeps a checkpoint in place of the one before."""
        last = before.sha256 if before else ""
        kept = await self._run(
            "checkpoint", checkpoint.entry, checkpoint.number, checkpoint.sha256, last
        )
        return bool(kept)

    async def trim(self) -> None:
        """Forgets the entries before the checkpoint's."""
        await self._run("trim")

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

    async def _limit(self, budget: Budget, *, only_if_none: bool = False) -> Any:
        return await self._run(
            "limit",
            budget.scope,
            budget.period.value,
            str(budget.limit_usd_micros),
            "1" if budget.soft else "0",
            budget.from_day,
            budget.until_day,
            budget.terms,
            "1" if only_if_none else "0",
        )


def _cells(day: str, fields: records.Fields) -> list[SpendCell]:
    """The spend of one day, from its hash."""
    cells = []
    for field, charged in fields.items():
        kind, _, cell = field.partition(b" ")
        if kind == b"charged":
            *scopes, model = cell.decode().split(" ", len(SCOPE_KINDS))
            cells.append(
                SpendCell(
                    day=day,
                    account=Account.of(scopes),
                    model=model,
                    promotions=int(fields[b"promotions " + cell]),
                    charged_usd_micros=int(charged),
                    cloud_only_usd_micros=int(fields[b"cloud_only " + cell]),
                )
            )
    return cells
