"""Which engines answer and what they say of themselves, from a short-lived cache."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from underpaint.contract.engines import EngineDescription
from underpaint.contract.errors import UnderpaintError

log = logging.getLogger(__name__)

FRESH_S: Final = 2.0  # how long an answer is reused


class EngineHealth:
    """Asks the cloud at most every FRESH_S seconds; an engine that is not listed is not healthy."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[Collection[EngineDescription]]],
        clock: Callable[[], float] | None = None,
    ) -> None:
        """`ask` returns the engines that are served; `clock` returns seconds."""
        self._ask = ask
        self._clock = clock
        self._heard: Collection[str] = ()
        self._described: dict[str, EngineDescription] = {}
        self._until = float("-inf")
        self._asking = asyncio.Lock()

    async def healthy(self) -> Collection[str]:
        """The names of healthy engines; none if the cloud is out of reach."""
        clock = self._clock or asyncio.get_running_loop().time
        async with self._asking:  # one request serves everybody who waits
            if clock() >= self._until:
                try:
                    told = {each.name: each for each in await self._ask()}
                    self._heard = frozenset(told)
                    self._described |= told
                except UnderpaintError as error:
                    log.warning("no engine is known to be healthy: %s", error)
                    self._heard = ()
                self._until = clock() + FRESH_S
            return self._heard

    async def described(self) -> Mapping[str, EngineDescription]:
        """What each engine last said of itself; one that does not answer now is still there."""
        await self.healthy()
        return self._described
