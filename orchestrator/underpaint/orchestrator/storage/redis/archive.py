"""The shelf in Redis: tombstones, and the segments that they lead to."""

from __future__ import annotations

from collections.abc import Sequence

from underpaint.orchestrator.promotions.archive import Archive, Archived, Segment
from underpaint.orchestrator.storage.redis import connection, records
from underpaint.orchestrator.storage.redis.ledger import RedisLedger


class RedisArchive(RedisLedger):
    """Lets finished promotions go, and finds them again."""

    def __init__(self, url: str, root: str, archive: Archive | None) -> None:
        super().__init__(url, root)
        self._archive = archive

    async def finished(self, kept_s: float, most: int) -> Sequence[Archived]:
        """The oldest promotions that have been final for so many seconds."""
        rows = await self._run("finished", int(kept_s * 1000), most)
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
        return found

    async def archive(self, segment: Segment, promotion_ids: Sequence[str]) -> bool:
        """Replaces promotions by tombstones."""
        return bool(
            await self._run("archive", segment.first, segment.last, segment.sha256, *promotion_ids)
        )

    async def _archived(self, promotion_id: str) -> Archived | None:
        """An archived promotion, if it is one."""
        number = int(await self._run("tombstone", promotion_id) or 0)
        if not number or self._archive is None:
            return None
        segment = await self._segment(number)
        return await self._archive.one(segment, number) if segment else None

    async def _archived_from(self, number: int, most: int) -> list[Archived]:
        """Archived promotions from a number down."""
        found: list[Archived] = []
        while self._archive and number > 0 and len(found) < most:
            segment = await self._segment(number)
            if segment is None:
                break
            found += await self._archive.newest_first(segment, number, most - len(found))
            number = segment.first - 1
        return found

    async def _segment(self, number: int) -> Segment | None:
        with connection.translated():
            rows = await self._redis.zrangebyscore(
                self._key("segments"), number, "+inf", start=0, num=1, withscores=True
            )
        if not rows:
            return None
        first, sha256 = rows[0][0].decode().split(" ")
        return Segment(first=int(first), last=int(rows[0][1]), sha256=sha256)
