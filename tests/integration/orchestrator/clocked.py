"""Both ledgers with a clock to turn, and ways to damage them.

`damage` adds to what a balance says is reserved; `lose` removes an entry.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from typing_extensions import override
from underpaint.contract.promotion import Account, Promotion
from underpaint.orchestrator.promotions.archive import Archive
from underpaint.orchestrator.promotions.quoting import content_of
from underpaint.orchestrator.promotions.store import PromotionStore
from underpaint.orchestrator.storage.memory.store import MemoryStore
from underpaint.orchestrator.storage.redis.ledger import SCRIPTS
from underpaint.orchestrator.storage.redis.store import RedisStore

from tests.unit.orchestrator.samples import open_quote, promotion_request

NEVER_LAPSES_S = 10.0**8
_CLOCK = "local function clock() return redis.call('TIME') end"
_TURNED = "local function clock() return {redis.call('GET', root .. ':clock'), '0'} end"
_COMMON = (SCRIPTS / "common.lua").read_text()
_numbers = itertools.count()


class ClockedRedis(RedisStore):
    @override
    def _source(self, script: str) -> str:
        source = super()._source(script) if script != "today" else f"{_COMMON}return today()"
        assert source.count(_CLOCK) == 1
        return source.replace(_CLOCK, _TURNED)

    async def turn(self, seconds: int) -> None:
        await self._redis.set(self._key("clock"), seconds)

    async def today(self) -> str:
        """What the scripts think."""
        return str((await self._run("today")).decode())

    async def damage(self, scope: str, window: str, usd_micros: int) -> None:
        if window:
            await self._redis.hincrby(self._key("balance", window), f"reserved {scope}", usd_micros)
        else:
            await self._redis.hincrby(self._key("scope", scope), "reserved", usd_micros)

    async def lose(self, number: int) -> None:
        for entry in await self.entries("", 1_000):
            if entry.number == number:
                await self._redis.xdel(self._key("ledger"), entry.id)


class ClockedMemory(MemoryStore):
    def __init__(self, **more: Any) -> None:
        self._seconds = 0
        super().__init__(clock=lambda: self._seconds, **more)

    async def turn(self, seconds: int) -> None:
        self._seconds = seconds

    async def damage(self, scope: str, window: str, usd_micros: int) -> None:
        reserved, spent = self._amounts.get((scope, window), (0, 0))
        self._amounts[scope, window] = (reserved + usd_micros, spent)

    async def lose(self, number: int) -> None:
        self._entries = [each for each in self._entries if each.number != number]


def clocked(
    kind: str, redis_url: str, archive: Archive | None = None
) -> ClockedMemory | ClockedRedis:
    """A new empty ledger of a kind: "memory" or "redis"."""
    if kind == "memory":
        return ClockedMemory(lease_s=NEVER_LAPSES_S, archive=archive)
    root = f"{{test-{secrets.token_hex(4)}-{next(_numbers)}}}"
    return ClockedRedis(redis_url, lease_s=NEVER_LAPSES_S, archive=archive, root=root)


def at(text: str) -> int:
    """Seconds since 1970 of "2026-11-21" or "2026-11-21T23:59:59"."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


async def promote(
    ledger: PromotionStore,
    promotion_id: str,
    cost: int,
    account: Account | None = None,
    reservation_s: float = 10.0**8,
) -> Promotion:
    request = promotion_request(account=account or Account())
    quote = open_quote(request, cost, f"q-{promotion_id}")
    await ledger.keep_quote(quote, 10.0**8)
    return await ledger.promote(promotion_id, content_of(request), request, quote, reservation_s)


def kinds(entries: Sequence[Any]) -> list[str]:
    return [entry.kind for entry in entries]
