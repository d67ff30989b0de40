"""Finished promotions leave Redis for the artifact store, and still answer from there.

They go in the order in which they were made, but one that is not finished stays where it is
and holds up nobody. In Redis a tombstone stays for each: its id and its number, so that a
replay of the id still answers with what became of it. A segment is an artifact, one line of
JSON for each promotion, by number. It is where every number up to its last belongs that the
segments before do not reach: what finishes later than its neighbours is added, by a new
artifact in place of the old one. Any number of orchestrators may archive side by side: a
segment must begin after the last one, or take the place of the one it was made from, or
nothing is moved.
"""

from __future__ import annotations

import asyncio
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
    UnderpaintError,
)
from underpaint.contract.pictures import Digest
from underpaint.contract.promotion import Promotion, PromotionEvent
from underpaint.orchestrator.artifacts import Artifacts

log = logging.getLogger(__name__)

AT_ONCE: Final = 500  # promotions of a segment
LOOKED_AT: Final = 100  # promotions at once: neither Redis nor this process is held up for long
KEPT_SEGMENTS: Final = 8  # in memory, for pages and those who look twice
EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """A finished promotion and what must be known of it besides."""

    number: int  # promotions are numbered as they are made, without a gap
    content: str  # digest of the request
    last_event: str  # id of the event that ended it
    promotion: Promotion

    @property
    def ending(self) -> PromotionEvent:
        """The final event; the others are no longer kept."""
        return PromotionEvent(
            id=self.last_event,
            at=self.promotion.updated_at,
            state=self.promotion.state,
            message=self.promotion.reason,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Archived promotions: those with numbers up to its last that no segment before holds."""

    first: int  # the lowest number in it
    last: int  # the highest number that belongs to it
    sha256: str


_LINE: Final = TypeAdapter(Archived)


class ArchiveStore(Protocol):
    """The part of a ledger that lets finished promotions go."""

    async def finished(
        self, kept_s: float, most: int, after: int
    ) -> tuple[Sequence[Archived], int]:
        """Of the next promotions after a number those that are final for so many seconds.

        Args:
            kept_s: seconds.
            most: promotions to look at.
            after: a number.

        Returns:
            What was found, in order, and the number to go on after; 0 if that was all.
        """

    async def segment(self, number: int) -> Segment | None:
        """Where a number belongs; None if it is above those of all segments."""

    async def archive(
        self, segment: Segment, before: Segment | None, promotions: Sequence[Archived]
    ) -> bool:
        """Replaces promotions by tombstones; False if others were archived meanwhile.

        Args:
            segment: holds them.
            before: that it takes the place of; None if it comes after all others.
            promotions: that are new in it.
        """


@dataclass(frozen=True, slots=True)
class Archive:
    """Segments in the artifact store."""

    artifacts: Artifacts
    _kept: OrderedDict[str, list[bytes]] = field(default_factory=OrderedDict)

    async def put(self, promotions: Sequence[Archived], before: Segment | None = None) -> Segment:
        """Stores a segment for good.

        Args:
            promotions: by number.
            before: one that they are added to.

        Raises:
            LedgerUnavailable: the one before cannot be read.
            ServiceUnreachable: it cannot be written now.
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
        """Up to `most` promotions from a number down. Raises LedgerUnavailable."""
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
    """Moves what has been finished for long enough."""

    store: ArchiveStore
    archive: Archive
    kept_s: float

    async def archive_all(self) -> int:
        """Archives all that is due; says how many promotions.

        Raises:
            LedgerUnavailable, ServiceUnreachable: later.
        """
        count, after = 0, 0
        due: list[Archived] = []
        while True:
            found, after = await self.store.finished(self.kept_s, LOOKED_AT, after)
            due += found
            while due and (len(due) >= AT_ONCE or not after):
                moved = await self._archive(due)
                if not moved:
                    return count  # another orchestrator is at it
                count += moved
                del due[:moved]
            if not after:
                return count

    async def _archive(self, due: Sequence[Archived]) -> int:
        """Archives the first of what is due, those that belong together; says how many."""
        before = await self.store.segment(due[0].number)
        last = before.last if before else due[-1].number
        together = [each for each in due[:AT_ONCE] if each.number <= last]
        # The segment first: a crash in between leaves one that nobody names.
        segment = await self.archive.put(together, before)
        return len(together) if await self.store.archive(segment, before, together) else 0

    async def run(self) -> None:
        """Archives now and then, for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                count = await self.archive_all()
                if count:
                    log.info("%d finished promotions are archived", count)
            except UnderpaintError as error:
                log.warning("nothing is archived for now: %s", error)
            except Exception:
                log.exception("nothing is archived for now")
