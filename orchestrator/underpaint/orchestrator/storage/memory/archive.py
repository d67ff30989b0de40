"""The archive store in memory, as `RedisArchive` is in Redis."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from underpaint.orchestrator.ledger.closed import ClosedDays
from underpaint.orchestrator.promotions.archive import Archive, Archived, Segment
from underpaint.orchestrator.storage.memory.ledger import MemoryLedger


class MemoryArchive(MemoryLedger):
    """Keeps tombstones and the list of segments."""

    def __init__(self, clock: Callable[[], float], archive: Archive | None) -> None:
        super().__init__(clock, ClosedDays(archive.artifacts if archive else None))
        self._archive = archive
        self._tombstones: dict[str, int] = {}
        self._segments: list[Segment] = []

    async def _archived(self, promotion_id: str) -> Archived | None:
        """The archived promotion of an id, if there is one."""
        number = self._tombstones.get(promotion_id)
        return (await self._archived_from(number, 1))[0] if number else None

    async def _archived_from(self, number: int, most: int) -> list[Archived]:
        """Up to `most` archived promotions from a number down."""
        found: list[Archived] = []
        for segment in reversed(self._segments):
            if self._archive and segment.first <= number and len(found) < most:
                found += await self._archive.newest_first(segment, number, most - len(found))
        return found

    async def segment(self, number: int) -> Segment | None:
        """The segment that covers a number."""
        return next((each for each in self._segments if number <= each.last), None)

    def _bury(
        self, segment: Segment, before: Segment | None, promotions: Sequence[Archived]
    ) -> bool:
        """Adds a segment after all others, or replaces one."""
        if before:
            if before not in self._segments:
                return False
            self._segments[self._segments.index(before)] = segment
        elif self._segments and self._segments[-1].last >= segment.first:
            return False
        else:
            self._segments.append(segment)
        self._tombstones |= {each.promotion.id: each.number for each in promotions}
        return True
