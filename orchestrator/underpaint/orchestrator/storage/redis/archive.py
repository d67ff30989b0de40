"""The archive store in Redis: tombstones, and the list of segments."""

from __future__ import annotations

from collections.abc import Sequence

from underpaint.orchestrator.ledger.closed import ClosedDays
from underpaint.orchestrator.promotions.archive import Archive, Archived, Segment
from underpaint.orchestrator.storage.redis import connection, records
from underpaint.orchestrator.storage.redis.balances import RedisBalances


class RedisArchive(RedisBalances):
    """Replaces finished promotions by tombstones, and finds them in the archive."""

    def __init__(self, url: str, root: str, archive: Archive | None) -> None:
        super().__init__(url, root, ClosedDays(archive.artifacts if archive else None))
        self._archive = archive

    async def finished(
        self, kept_s: float, most: int, after: int
    ) -> tuple[Sequence[Archived], int]:
        """Finds promotions that ended at least `kept_s` seconds ago."""
        last, rows = await self._run("finished", int(kept_s * 1000), most, after)
        found = []
        for number, flat in rows:
            fields = records.pairs(flat)
            found.append(
                Archived(
                    number=int(number),
                    content=fields[b"content"].decode(),
                    last_event=fields[b"last_event"].decode(),
                    promotion=records.promotion_from(fields),
                )
            )
        return found, int(last)

    async def archive(
        self, segment: Segment, before: Segment | None, promotions: Sequence[Archived]
    ) -> bool:
        """Replaces promotions by tombstones."""
        held = (before.first, before.sha256) if before else ("", "")
        told = [field for each in promotions for field in (each.number, each.promotion.id)]
        return bool(
            await self._run("archive", segment.first, segment.last, segment.sha256, *held, *told)
        )

    async def _archived(self, promotion_id: str) -> Archived | None:
        """The archived promotion of an id, if there is one."""
        number = int(await self._run("tombstone", promotion_id) or 0)
        if not number or self._archive is None:
            return None
        found = await self._archived_from(number, 1)
        return found[0] if found and found[0].number == number else None

    async def _archived_from(self, number: int, most: int) -> list[Archived]:
        """Up to `most` archived promotions from a number down."""
        found: list[Archived] = []
        segment = await self.segment(number) or await self._last_segment()
        while self._archive and segment and len(found) < most:
            found += await self._archive.newest_first(segment, number, most - len(found))
            segment = await self._last_segment(f"({segment.last}")
        return found

    async def segment(self, number: int) -> Segment | None:
        """The segment that covers a number."""
        with connection.translated():
            rows = await self._redis.zrangebyscore(
                self._key("segments"), number, "+inf", start=0, num=1, withscores=True
            )
        return _segment(rows)

    async def _last_segment(self, below: str = "+inf") -> Segment | None:
        with connection.translated():
            rows = await self._redis.zrevrangebyscore(
                self._key("segments"), below, "-inf", start=0, num=1, withscores=True
            )
        return _segment(rows)


def _segment(rows: Sequence[tuple[bytes, float]]) -> Segment | None:
    for name, last in rows:
        first, sha256 = name.decode().split(" ")
        return Segment(first=int(first), last=int(last), sha256=sha256)
    return None
