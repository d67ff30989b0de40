"""The draft store: pictures named by their SHA-256 and a database of drafts, limited in size."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import json
import os
import secrets
import sqlite3
import threading
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from underpaint.contract.drafts import Draft, Privacy
from underpaint.contract.errors import DraftNotFound, EngineFailed, InvalidRequest
from underpaint.contract.generation import GenerationRequest, LoraUse
from underpaint.contract.pictures import Digest
from underpaint.edge import outbox
from underpaint.edge.outbox import Outbox

MIN_PREFIX: Final = 4  # characters
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS drafts (
    place INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order in which they were made
    id TEXT NOT NULL UNIQUE,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    record TEXT NOT NULL                      -- the rest of the draft, as JSON
);
CREATE INDEX IF NOT EXISTS drafts_by_bytes ON drafts (sha256, size);
"""


def new_id() -> str:
    """A new draft id of twelve letters and digits, such as "k3vq7dpa2mxe".

    It is random from the start, so that four characters nearly always identify a draft.
    """
    return base64.b32encode(secrets.token_bytes(8)).decode().lower()[:12]


class DraftStore:
    """Drafts on disk. Thread-safe; only one process may use a directory.

    A picture is written before the row that refers to it, and the row before `add` returns. So a
    crash loses no acknowledged draft. It leaves at most a picture without a row, which the next
    start removes.
    """

    def __init__(self, directory: Path, *, draft_limit: int, bytes_limit: int) -> None:
        """Opens or creates the store.

        Args:
            directory: the data directory.
            draft_limit: the most drafts; the oldest are deleted.
            bytes_limit: the most bytes of pictures; the newest draft stays, whatever its size.

        Raises:
            InvalidRequest: the directory cannot be used, or another node uses it.
        """
        self.draft_limit = draft_limit
        self._bytes_limit = bytes_limit
        self._pictures = directory / "pictures"
        self._lock = threading.Lock()
        try:
            new = [each for each in (self._pictures, *self._pictures.parents) if not each.exists()]
            self._pictures.mkdir(parents=True, exist_ok=True)
            for each in new:
                _flush(each.parent)
            self._rows = sqlite3.connect(
                directory / "drafts.sqlite", timeout=0.5, check_same_thread=False
            )
            # Exclusive, because a second node would remove pictures that this one just wrote.
            self._rows.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._rows.execute("PRAGMA journal_mode = WAL")
            self._rows.execute("PRAGMA synchronous = FULL")
            self._rows.executescript("BEGIN EXCLUSIVE;" + _SCHEMA + outbox.SCHEMA + "COMMIT;")
            self.outbox = Outbox(self._rows, self._lock)
            with self._rows:
                self._evict()
            self._sweep()
        except (OSError, sqlite3.Error) as error:
            reason = "another node uses it" if "locked" in str(error) else str(error)
            raise InvalidRequest(
                f"the data directory {directory} cannot be used: {reason}; choose another"
            ) from None

    def close(self) -> None:
        """Closes the database."""
        with self._lock:
            self._rows.close()

    def add(self, draft: Draft, picture: bytes) -> None:
        """Stores a draft durably; deletes the oldest ones beyond the limits.

        Raises:
            EngineFailed: it cannot be written, for example because the disk is full.
        """
        request = dataclasses.asdict(draft.request)
        del request["fit"]  # drafts start from noise
        record = json.dumps(
            {
                "media_type": draft.digest.media_type,
                "request": request,
                "privacy": draft.privacy.value,
                "model": draft.model,
                "elapsed_ms": draft.elapsed_ms,
                "created_at": draft.created_at.isoformat(),
                "warnings": draft.warnings,
            }
        )
        digest = draft.digest
        with self._lock:
            try:
                self._write(digest.sha256, picture)
                with self._rows:
                    self._rows.execute(
                        "INSERT INTO drafts (id, sha256, size, record) VALUES (?, ?, ?, ?)",
                        (draft.id, digest.sha256, digest.size, record),
                    )
                    unused = self._evict()
            except (OSError, sqlite3.Error) as error:
                raise EngineFailed(
                    f"the draft could not be stored: {error}; free some space on the node's disk"
                ) from None
            self._remove(unused)

    def find(self, beginning: str) -> Draft:
        """Finds a draft by its id or a unique beginning of it.

        Raises:
            DraftNotFound: there is none.
            InvalidRequest: the beginning is too short or fits several drafts.
        """
        if len(beginning) < MIN_PREFIX:
            raise InvalidRequest(
                f"draft id {beginning!r} is too short; give at least {MIN_PREFIX} characters"
            )
        with self._lock:
            found = self._rows.execute(
                "SELECT * FROM drafts WHERE substr(id, 1, ?) = ? ORDER BY place DESC LIMIT 4",
                (len(beginning), beginning),
            ).fetchall()
        if not found:
            raise DraftNotFound(f"there is no draft {beginning!r} on this node")
        if len(found) > 1:
            ids = ", ".join(row[1] for row in found[:3])
            raise InvalidRequest(f"{beginning!r} fits several drafts ({ids}); give more of the id")
        return _draft(found[0])

    def picture(self, draft: Draft) -> bytes:
        """The bytes of a draft, checked against their SHA-256.

        Raises:
            DraftNotFound: they are missing or damaged.
        """
        try:
            data = self._path(draft.digest.sha256).read_bytes()
        except OSError as error:
            raise DraftNotFound(
                f"the picture of draft {draft.id} cannot be read: {error.strerror}; delete it and "
                f"draw seed {draft.request.seed} again"
            ) from None
        if hashlib.sha256(data).hexdigest() != draft.digest.sha256:
            raise DraftNotFound(
                f"the picture of draft {draft.id} is damaged on disk; delete it and draw seed "
                f"{draft.request.seed} again"
            )
        return data

    def page(self, size: int, token: str = "") -> tuple[list[Draft], str]:
        """At most `size` drafts, newest first, and the token of the next page or "".

        Raises:
            InvalidRequest: the token is not from an earlier page.
        """
        if token and not (token.isascii() and token.isdigit() and len(token) < 19):
            raise InvalidRequest(f"{token!r} is not a page token; use one from an earlier answer")
        with self._lock:
            rows = self._rows.execute(
                "SELECT * FROM drafts WHERE place < ? ORDER BY place DESC LIMIT ?",
                (int(token) if token else 2**62, size + 1),
            ).fetchall()
        following = str(rows[size - 1][0]) if len(rows) > size else ""
        return [_draft(row) for row in rows[:size]], following

    def delete(self, beginning: str) -> None:
        """Deletes a draft, and its picture unless another draft has the same one.

        Raises:
            DraftNotFound: there is none.
            InvalidRequest: the beginning is too short or fits several drafts, or a promotion of
                the draft is in the outbox.
        """
        draft = self.find(beginning)
        with self._lock:
            kept = self._rows.execute(
                "SELECT promotion_id FROM outbox WHERE draft_id = ?", (draft.id,)
            ).fetchone()
            if kept:
                raise InvalidRequest(
                    f"draft {draft.id} is in the outbox as promotion {kept[0]}; remove that first "
                    f"with `underpaint outbox drop {kept[0]}`"
                )
            with self._rows:
                self._rows.execute("DELETE FROM drafts WHERE id = ?", (draft.id,))
            self._remove({draft.digest.sha256})

    def __len__(self) -> int:
        """The number of stored drafts."""
        with self._lock:
            return int(self._rows.execute("SELECT count(*) FROM drafts").fetchone()[0])

    def _path(self, sha256: str) -> Path:
        return self._pictures / sha256[:2] / sha256

    def _write(self, sha256: str, picture: bytes) -> None:
        path = self._path(sha256)
        path.parent.mkdir(exist_ok=True)
        half = path.with_suffix(".half")
        try:
            with half.open("wb") as file:
                file.write(picture)
                file.flush()
                os.fsync(file.fileno())
            half.replace(path)
        except OSError:
            half.unlink(missing_ok=True)  # otherwise it would take up room on a full disk
            raise
        _flush(path.parent)
        _flush(self._pictures)

    def _evict(self) -> set[str]:
        """Deletes the rows of the oldest drafts beyond the limits; returns their SHA-256s.

        The newest draft stays, and so do those with a promotion in the outbox.
        """
        count, newest = self._rows.execute("SELECT count(*), max(place) FROM drafts").fetchone()
        gone: set[str] = set()
        while count > self.draft_limit or (count > 1 and self._size() > self._bytes_limit):
            oldest = self._rows.execute(
                "SELECT place, sha256 FROM drafts WHERE place < ? AND id NOT IN "
                "(SELECT draft_id FROM outbox) ORDER BY place LIMIT 1",
                (newest,),
            ).fetchone()
            if oldest is None:
                break
            place, sha256 = oldest
            self._rows.execute("DELETE FROM drafts WHERE place = ?", (place,))
            gone.add(sha256)
            count -= 1
        return gone

    def _size(self) -> int:
        """The bytes of all pictures; a picture that several drafts share counts once."""
        query = "SELECT coalesce(sum(size), 0) FROM (SELECT DISTINCT sha256, size FROM drafts)"
        return int(self._rows.execute(query).fetchone()[0])

    def _remove(self, names: set[str]) -> None:
        for sha256 in names:
            query = "SELECT 1 FROM drafts WHERE sha256 = ? LIMIT 1"
            if not self._rows.execute(query, (sha256,)).fetchone():
                with contextlib.suppress(OSError):  # the next start removes it
                    self._path(sha256).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Removes what a crash left: incomplete pictures, and pictures without a draft."""
        named = {sha256 for (sha256,) in self._rows.execute("SELECT sha256 FROM drafts")}
        for path in self._pictures.glob("??/*"):
            if path.name not in named:
                path.unlink()


def _flush(directory: Path) -> None:
    """Makes new file names in a directory durable, so that they survive a power cut."""
    if os.name != "posix":  # elsewhere a directory cannot be opened, and need not be
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _draft(row: tuple[Any, ...]) -> Draft:
    _place, id_, sha256, size, text = row
    record = json.loads(text)
    request = record["request"]
    loras = tuple(LoraUse(**use) for use in request.pop("loras", ()))
    return Draft(
        id=id_,
        digest=Digest(sha256=sha256, size=size, media_type=record["media_type"]),
        request=GenerationRequest(**request, loras=loras),
        privacy=Privacy(record["privacy"]),
        model=record["model"],
        elapsed_ms=record["elapsed_ms"],
        created_at=datetime.fromisoformat(record["created_at"]),
        warnings=tuple(record["warnings"]),
    )
