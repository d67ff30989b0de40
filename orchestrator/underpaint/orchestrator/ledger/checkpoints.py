"""Reads and writes checkpoints of the ledger as artifacts.

A checkpoint is a JSON document that refers to three others by SHA-256: the sums up to its last
entry, the entries since the previous checkpoint, and that checkpoint. They are read and written
in threads and in small pieces, because one long call into C code blocks all threads.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter
from underpaint.contract.accounting import LedgerEntry
from underpaint.contract.errors import LedgerUnavailable, UnderpaintError
from underpaint.contract.pictures import Digest
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.ledger.replay import LedgerReplay
from underpaint.orchestrator.ledger.store import Checkpoint

AT_ONCE: Final = 250  # entries handled without a pause: a few milliseconds of work
_ENTRY: Final = TypeAdapter(LedgerEntry)


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Reads and writes checkpoints in the artifact store."""

    artifacts: Artifacts

    async def replay(self, checkpoint: Checkpoint | None) -> LedgerReplay:
        """The sums at a checkpoint; empty without one.

        Raises:
            LedgerUnavailable: the checkpoint cannot be read.
        """
        if checkpoint is None:
            return LedgerReplay()
        head = await self._head(checkpoint.sha256)
        if "fold" in head:
            return await asyncio.to_thread(LedgerReplay.of_days, head["fold"])
        return await asyncio.to_thread(LedgerReplay.read, await self._get(head["replay"]))

    async def put(
        self, replay: LedgerReplay, entries: Sequence[bytes], before: Checkpoint | None
    ) -> Checkpoint:
        """Stores a checkpoint.

        Args:
            replay: the sums up to the checkpoint's last entry.
            entries: those since the previous checkpoint, in batches made by `dump`.
            before: the previous checkpoint; None if this is the first.

        Raises:
            ServiceUnreachable: the artifact store cannot write now.
        """
        head = {
            "number": replay.number,
            "before": before.sha256 if before else "",
            "entries": await self._put(await asyncio.to_thread(_array, entries)),
            "replay": await self._put(await asyncio.to_thread(replay.dump)),
        }
        sha256 = await self._put(json.dumps(head, separators=(",", ":")).encode())
        return Checkpoint(entry=replay.entry, number=replay.number, sha256=sha256)

    async def entries(
        self, checkpoint: Checkpoint, number: int
    ) -> AsyncIterator[list[LedgerEntry]]:
        """The entries after a number up to those of a checkpoint, in order, in batches.

        Raises:
            LedgerUnavailable: a checkpoint cannot be read.
        """
        names: list[str] = []
        before = checkpoint.sha256
        while before:
            head = await self._head(before)
            last = head["fold"]["number"] if "fold" in head else head["number"]
            if last <= number:
                break
            names.append(head["entries"])
            before = head["before"]
        while names:
            batches = _entries(await self._get(names.pop()), number)
            while batch := await asyncio.to_thread(next, batches, None):
                yield batch

    async def _head(self, sha256: str) -> dict[str, Any]:
        found: dict[str, Any] = await asyncio.to_thread(json.loads, await self._get(sha256))
        return found

    async def _get(self, sha256: str) -> bytes:
        try:
            data, _ = await self.artifacts.get(sha256)
        except UnderpaintError as error:
            raise LedgerUnavailable(f"a checkpoint cannot be read: {error}") from None
        return data

    async def _put(self, data: bytes) -> str:
        digest = await asyncio.to_thread(Digest.of, data, "application/json")
        await self.artifacts.put(data, digest)
        return digest.sha256


def dump(entries: Sequence[LedgerEntry]) -> bytes:
    """Entries as JSON objects, separated by commas."""
    return b",".join(_ENTRY.dump_json(entry) for entry in entries)


def _array(entries: Sequence[bytes]) -> bytes:
    return b"".join((b"[", b",".join(entries), b"]"))


def _entries(data: bytes, number: int) -> Iterator[list[LedgerEntry]]:
    """The entries after a number from a JSON array, in batches that are never empty."""
    text, decoder, at = data.decode(), json.JSONDecoder(), 1
    batch: list[LedgerEntry] = []
    while at < len(text):
        found, at = decoder.raw_decode(text, at)
        at += 1  # a comma, or the bracket at the end
        if found["number"] > number:
            batch.append(_ENTRY.validate_python(found))
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch
