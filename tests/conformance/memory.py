"""The store in memory, with a clock to turn and ways to damage it."""

from __future__ import annotations

from typing import Any

from underpaint.orchestrator.storage.memory.store import MemoryStore


class ClockedMemory(MemoryStore):
    def __init__(self, **more: Any) -> None:
        self._seconds = 0
        super().__init__(clock=lambda: self._seconds, **more)

    async def turn(self, seconds: int) -> None:
        self._seconds = seconds

    async def today(self) -> str:
        return self._today()

    async def damage(self, scope: str, window: str, *, reserved: int = 0, spent: int = 0) -> None:
        before = self._amounts.get((scope, window), (0, 0))
        self._amounts[scope, window] = (before[0] + reserved, before[1] + spent)

    async def lose(self, number: int) -> None:
        self._entries = [each for each in self._entries if each.number != number]

    async def forget(self, day: str) -> None:
        del self._closed_days[day]
