"""The shelf in this process's memory: the twin of `RedisArchive`, for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from underpaint.orchestrator.promotions.archive import Archive, Archived, Segment
from underpaint.orchestrator.storage.memory.ledger import MemoryLedger


class MemoryArchive(MemoryLedger):
    """Tombstones and segments; gone with the process."""

    def __init__(self, clock: Callable[[], float], archive: Archive | None) -> None:
        super().__init__(clock)
        self._archive = archive
        self._tombstones: dict[str, int] = {}
        self._segments: list[Segment] = []

    async def _archived(self, promotion_id: str) -> Archived | None:
        """An archived promotion, if it is one."""
        number = self._tombstones.get(promotion_id, 0)
        found = await self._archived_from(number, 1)
        return found[0] if found else None

    async def _archived_from(self, number: int, most: int) -> list[Archived]:
        """Archived promotions from a number down."""
        found: list[Archived] = []
        for segment in reversed(self._segments):
            if self._archive and segment.first <= number and len(found) < most:
                found += await self._archive.newest_first(
                    segment, min(number, segment.last), most - len(found)
                )
        return found

    def _bury(self, segment: Segment, promotion_ids: Sequence[str]) -> bool:
        """Keeps a segment that begins where the one before ended."""
        if segment.first != (self._segments[-1].last if self._segments else 0) + 1:
            return False
        self._segments.append(segment)
        self._tombstones |= zip(promotion_ids, range(segment.first, segment.last + 1), strict=True)
        return True
