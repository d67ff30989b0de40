"""The store in Redis, with a clock to turn and ways to damage it.

The scripts read a clock that is kept in a key. Redis itself counts the lifetime of quotes and
the time since a heartbeat; turning the clock shortens the one and lengthens the other.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import override
from underpaint.orchestrator.ledger.store import CAMPAIGN
from underpaint.orchestrator.promotions.store import OpenQuote
from underpaint.orchestrator.storage.redis.ledger import SCRIPTS
from underpaint.orchestrator.storage.redis.store import RedisStore

_CLOCK = "local function clock() return redis.call('TIME') end"
_TURNED = "local function clock() return {redis.call('GET', root .. ':clock'), '0'} end"
_COMMON = (SCRIPTS / "common.lua").read_text()
_OURS = {
    "today": "return today()",
    # ARGV: milliseconds that have passed, keys of quotes
    "age": """
        local passed = tonumber(ARGV[1])
        for i = 2, #ARGV do
          local left = redis.call('PTTL', ARGV[i])
          if left > 0 then
            redis.call('PEXPIRE', ARGV[i], string.format('%.0f', math.max(0, left - passed)))
          end
        end
        if redis.call('EXISTS', WORK) == 1 then
          for _, lease in ipairs(redis.call('XPENDING', WORK, GROUP, '-', '+', 10000)) do
            redis.call('XCLAIM', WORK, GROUP, lease[2], 0, lease[1],
              'IDLE', string.format('%.0f', lease[3] + passed), 'JUSTID')
          end
        end
    """,
}


class ClockedRedis(RedisStore):
    def __init__(self, *positional: Any, **more: Any) -> None:
        super().__init__(*positional, **more)
        self._seconds: int | None = None
        self._quotes: list[str] = []

    @override
    def _source(self, script: str) -> str:
        source = _COMMON + _OURS[script] if script in _OURS else super()._source(script)
        assert source.count(_CLOCK) == 1
        return source.replace(_CLOCK, _TURNED)

    @override
    async def keep_quote(self, open_quote: OpenQuote, lifetime_s: float) -> None:
        self._quotes.append(self._key("quote", open_quote.quote.id))
        await super().keep_quote(open_quote, lifetime_s)

    async def turn(self, seconds: int) -> None:
        passed_ms = 1_000 * (seconds - self._seconds) if self._seconds is not None else 0
        self._seconds = seconds
        await self._redis.set(self._key("clock"), seconds)
        if passed_ms > 0:
            await self._run("age", passed_ms, *self._quotes)

    async def today(self) -> str:
        return str((await self._run("today")).decode())

    async def damage(self, scope: str, window: str, *, reserved: int = 0, spent: int = 0) -> None:
        prefix = "campaign." if window == CAMPAIGN else ""
        for what, usd_micros in (("reserved", reserved), ("spent", spent)):
            if window in ("", CAMPAIGN):
                key, name = self._key("scope", scope), f"{prefix}{what}"
            else:
                key, name = self._key("balance", window), f"{what} {scope}"
            if usd_micros:
                await self._redis.hincrby(key, name, usd_micros)

    async def lose(self, number: int) -> None:
        for entry in await self.entries("", 1_000):
            if entry.number == number:
                await self._redis.xdel(self._key("ledger"), entry.id)

    async def forget(self, day: str) -> None:
        await self._redis.hdel(self._key("closed"), day)
