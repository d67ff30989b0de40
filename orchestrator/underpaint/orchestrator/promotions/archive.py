"""Finished promotions leave Redis for the artifact store, and still answer from there.

They go in the order in which they were made, so that a segment is a run of numbers and a
promotion is found by its number alone. In Redis a tombstone stays for each: its id and its
number, so that a replay of the id still answers with what became of it. A segment is an
artifact, one line of JSON for each promotion. Any number of orchestrators may archive side
by side: a segment must begin where the one before ended, or nothing is moved.
"""

from __future__ import annotations

import asyncio
import logging
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
    """A run of archived promotions."""

    first: int
    last: int
    sha256: str


_LINE: Final = TypeAdapter(Archived)


class ArchiveStore(Protocol):
    """The part of a ledger that lets finished promotions go."""

    async def finished(self, kept_s: float, most: int) -> Sequence[Archived]:
        """The oldest promotions, up to the first that is not final or ended too lately."""

    async def archive(self, segment: Segment, promotion_ids: Sequence[str]) -> bool:
        """Replaces promotions by tombstones; False if others were archived meanwhile."""


@dataclass(frozen=True, slots=True)
class Archive:
    """Segments in the artifact store."""

    artifacts: Artifacts
    _kept: OrderedDict[str, list[bytes]] = field(default_factory=OrderedDict)

    async def put(self, promotions: Sequence[Archived]) -> Segment:
        """Stores a segment for good.

        Raises:
            ServiceUnreachable: it cannot be written now.
        """
        data = b"\n".join(_LINE.dump_json(each) for each in promotions)
        digest = Digest.of(data, "application/jsonl")
        await self.artifacts.put(data, digest)
        numbers = promotions[0].number, promotions[-1].number
        return Segment(first=numbers[0], last=numbers[1], sha256=digest.sha256)

    async def one(self, segment: Segment, number: int) -> Archived:
        """One promotion. Raises LedgerUnavailable if its segment cannot be read."""
        lines = await self._lines(segment)
        return _LINE.validate_json(lines[number - segment.first])

    async def newest_first(self, segment: Segment, number: int, most: int) -> list[Archived]:
        """Up to `most` promotions from a number down. Raises LedgerUnavailable."""
        lines = await self._lines(segment)
        end = number - segment.first + 1
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
        count = 0
        while due := await self.store.finished(self.kept_s, AT_ONCE):
            # The segment first: a crash in between leaves one that nobody names.
            segment = await self.archive.put(due)
            if not await self.store.archive(segment, [each.promotion.id for each in due]):
                break  # another orchestrator is at it
            count += len(due)
            if len(due) < AT_ONCE:
                break
        return count

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
