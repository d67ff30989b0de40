"""Moves finished promotions from Redis to the artifact store, where they can still be read.

Promotions are moved in the order in which they were made; an unfinished one stays behind and does
not hold up the others. Redis keeps a tombstone of each, its id and number, so that asking for the
id, or promoting it again, still finds it.

A segment is an artifact with one line of JSON for each promotion, in order of number. Each
segment covers the numbers after the previous segment up to its own last one. A promotion that
finishes later than its neighbours is added to its segment, as a new artifact that replaces the
old one.

Several orchestrators may archive side by side. A new segment is accepted only if it begins after
the last segment, or replaces exactly the one it was made from; otherwise nothing is moved.
"""

from __future__ import annotations

import json
import logging
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from pydantic import TypeAdapter
from underpaint.contract.errors import (
    ArtifactNotFound,
    LedgerUnavailable,
    ServiceUnreachable,
)
from underpaint.contract.pictures import Digest
from underpaint.contract.promotion import Promotion, PromotionEvent
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.repeating import repeat

log = logging.getLogger(__name__)

AT_ONCE: Final = 500  # promotions of a segment
LOOKED_AT: Final = 100  # promotions read at once: few, so that nothing is blocked for long
KEPT_SEGMENTS: Final = 8  # cached in memory, because a listing reads one segment several times
EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """A finished promotion as it is archived."""

    number: int  # promotions are numbered as they are made, without a gap
    content: str  # digest of the request
    last_event: str  # id of the event that ended it
    promotion: Promotion

    @property
    def ending(self) -> PromotionEvent:
        """The final event; earlier events are not archived."""
        return PromotionEvent(
            id=self.last_event,
            at=self.promotion.updated_at,
            state=self.promotion.state,
            message=self.promotion.reason,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Where a range of archived promotions is stored."""

    first: int  # the lowest number that it holds
    last: int  # the highest number that it covers
    sha256: str


_LINE: Final = TypeAdapter(Archived)


class ArchiveStore(Protocol):
    """The part of the store from which finished promotions are archived."""

    async def finished(
        self, kept_s: float, most: int, after: int
    ) -> tuple[Sequence[Archived], int]:
        """Finds promotions that ended at least `kept_s` seconds ago.

        Args:
            kept_s: seconds.
            most: how many promotions to look at.
            after: look at numbers above this one.

        Returns:
            The promotions found, in order, and the number to continue after; 0 at the end.
        """

    async def segment(self, number: int) -> Segment | None:
        """The segment that covers a number; None if the number is above all segments."""

    async def archive(
        self, segment: Segment, before: Segment | None, promotions: Sequence[Archived]
    ) -> bool:
        """Replaces promotions by tombstones.

        Args:
            segment: the new segment, which holds them.
            before: the segment that it replaces; None if it comes after all others.
            promotions: those that are new in the segment.

        Returns:
            False if another orchestrator archived meanwhile; then nothing is changed.
        """


@dataclass(frozen=True, slots=True)
class Archive:
    """Reads and writes segments in the artifact store."""

    artifacts: Artifacts
    _kept: OrderedDict[str, list[bytes]] = field(default_factory=OrderedDict)

    async def put(self, promotions: Sequence[Archived], before: Segment | None = None) -> Segment:
        """Stores a segment.

        Args:
            promotions: in order of number.
            before: a segment that they are added to; None for a new segment.

        Raises:
            LedgerUnavailable: `before` cannot be read.
            ServiceUnreachable: the segment cannot be written now.
        """
        lines = [_LINE.dump_json(each) for each in promotions]
        if before:
            lines = sorted([*await self._lines(before), *lines], key=_number)
        data = b"\n".join(lines)
        digest = Digest.of(data, "application/jsonl")
        await self.artifacts.put(data, digest)
        last = before.last if before else promotions[-1].number
        return Segment(first=_number(lines[0]), last=last, sha256=digest.sha256)

    async def newest_first(self, segment: Segment, number: int, most: int) -> list[Archived]:
        """Up to `most` promotions from a number down.

        Raises:
            LedgerUnavailable: the segment cannot be read.
        """
        lines = await self._lines(segment)
        end = bisect_right(lines, number, key=_number)
        return [_LINE.validate_json(line) for line in lines[max(0, end - most) : end]][::-1]

    async def _lines(self, segment: Segment) -> list[bytes]:
        if segment.sha256 not in self._kept:
            try:
                data, _ = await self.artifacts.get(segment.sha256)
            except (ArtifactNotFound, ServiceUnreachable) as error:
                raise LedgerUnavailable(
                    f"promotions {segment.first} to {segment.last} cannot be read from the "
                    f"archive: {error}"
                ) from None
            self._kept[segment.sha256] = data.split(b"\n")
            while len(self._kept) > KEPT_SEGMENTS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(segment.sha256)
        return self._kept[segment.sha256]


def _number(line: bytes) -> int:
    return int(json.loads(line)["number"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Archivist:
    """Archives promotions that ended at least `kept_s` seconds ago."""

    store: ArchiveStore
    archive: Archive
    kept_s: float

    async def archive_all(self) -> int:
        """Archives every promotion that is due; returns how many.

        Raises:
            LedgerUnavailable, ServiceUnreachable: not possible now; try again later.
        """
        count, after = 0, 0
        due: list[Archived] = []
        while True:
            found, after = await self.store.finished(self.kept_s, LOOKED_AT, after)
            due += found
            while due and (len(due) >= AT_ONCE or not after):
                moved = await self._archive(due)
                if not moved:
                    return count  # another orchestrator is archiving
                count += moved
                del due[:moved]
            if not after:
                return count

    async def _archive(self, due: Sequence[Archived]) -> int:
        """Archives the first due promotions that share a segment; returns how many."""
        before = await self.store.segment(due[0].number)
        last = before.last if before else due[-1].number
        together = [each for each in due[:AT_ONCE] if each.number <= last]
        # The segment first: a crash in between only leaves an artifact that nothing refers to.
        segment = await self.archive.put(together, before)
        return len(together) if await self.store.archive(segment, before, together) else 0

    async def run(self) -> None:
        """Archives every EVERY_S seconds, for ever."""

        async def archived() -> None:
            if count := await self.archive_all():
                log.info("%d finished promotions are archived", count)

        await repeat(archived, EVERY_S, "nothing is archived for now", log)
