"""The outbox: promotions on disk until the orchestrator has acknowledged them.

It is in the same database as the drafts. So a draft with a promotion in the outbox cannot be
deleted, and after a crash both are consistent.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from underpaint.contract.errors import (
    DraftNotFound,
    EngineFailed,
    InvalidRequest,
    PromotionConflict,
    PromotionNotFound,
)
from underpaint.contract.outbox import OutboxItem, OutboxState

MOST: Final = 1_000  # their drafts are never evicted
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS outbox (
    place INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order in which they are sent
    promotion_id TEXT NOT NULL UNIQUE,
    draft_id TEXT NOT NULL,
    prompt TEXT NOT NULL,
    request BLOB NOT NULL,                    -- the PromotionRequest message, as the client sent it
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    accepted INTEGER NOT NULL,                -- micro-dollars
    quoted INTEGER NOT NULL,                  -- micro-dollars
    kept_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS outbox_pictures (  -- those beside the draft
    promotion_id TEXT NOT NULL,
    place INTEGER NOT NULL,                   -- the order in which they are sent
    data BLOB NOT NULL,
    PRIMARY KEY (promotion_id, place)
);
"""
_COLUMNS: Final = "promotion_id, draft_id, prompt, state, reason, accepted, quoted, kept_at"


class Outbox:
    """The promotions that are still to be sent, oldest first. Thread-safe."""

    def __init__(self, rows: sqlite3.Connection, lock: threading.Lock) -> None:
        """Uses the database and the lock of an open draft store."""
        self._rows = rows
        self._lock = lock

    def keep(self, item: OutboxItem, request: bytes, pictures: Sequence[bytes] = ()) -> OutboxItem:
        """Stores a promotion durably. The same again changes nothing and returns what is stored.

        Args:
            item: the promotion.
            request: the serialised PromotionRequest.
            pictures: those that it names beside the draft, in the order in which they are sent.

        Raises:
            PromotionConflict: the id is used for other content.
            DraftNotFound: its draft is not in the store.
            InvalidRequest: the outbox is full.
            EngineFailed: it cannot be written, for example because the disk is full.
        """
        with self._lock, _stored(), self._rows:
            before = self._rows.execute(
                f"SELECT {_COLUMNS}, request FROM outbox WHERE promotion_id = ?",  # noqa: S608
                (item.promotion_id,),
            ).fetchone()
            if before:
                if before[-1] != request:
                    raise PromotionConflict(
                        f"promotion id {item.promotion_id} is taken by other content in the "
                        "outbox; choose a new id"
                    )
                return _item(before)
            if self._rows.execute("SELECT count(*) FROM outbox").fetchone()[0] >= MOST:
                raise InvalidRequest(f"the outbox holds {MOST:,} promotions; send or drop some")
            # Checked again in this transaction, because the draft may have been deleted meanwhile.
            draft = self._rows.execute("SELECT 1 FROM drafts WHERE id = ?", (item.draft_id,))
            if draft.fetchone() is None:
                raise DraftNotFound(f"there is no draft {item.draft_id!r} on this node")
            self._rows.execute(
                f"INSERT INTO outbox ({_COLUMNS}, request) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (
                    item.promotion_id,
                    item.draft_id,
                    item.prompt,
                    item.state.value,
                    item.reason,
                    item.accepted_usd_micros,
                    item.quoted_usd_micros,
                    item.kept_at.isoformat(),
                    request,
                ),
            )
            self._rows.executemany(
                "INSERT INTO outbox_pictures (promotion_id, place, data) VALUES (?, ?, ?)",
                [(item.promotion_id, place, each) for place, each in enumerate(pictures)],
            )
            return item

    def pictures(self, promotion_id: str) -> list[bytes]:
        """The pictures beside the draft, in the order in which they are sent."""
        with self._lock:
            rows = self._rows.execute(
                "SELECT data FROM outbox_pictures WHERE promotion_id = ? ORDER BY place",
                (promotion_id,),
            ).fetchall()
        return [row[0] for row in rows]

    def items(self) -> list[OutboxItem]:
        """All items, oldest first."""
        with self._lock:
            rows = self._rows.execute(f"SELECT {_COLUMNS} FROM outbox ORDER BY place").fetchall()  # noqa: S608
        return [_item(row) for row in rows]

    def find(self, promotion_id: str) -> tuple[OutboxItem, bytes]:
        """An item and its serialised request. Raises PromotionNotFound."""
        with self._lock:
            row = self._rows.execute(
                f"SELECT {_COLUMNS}, request FROM outbox WHERE promotion_id = ?",  # noqa: S608
                (promotion_id,),
            ).fetchone()
        if row is None:
            raise PromotionNotFound(
                f"promotion {promotion_id[:80]} is not in the outbox; it was sent, or never put "
                "there"
            )
        return _item(row), row[-1]

    def note(self, promotion_id: str, state: OutboxState, reason: str, quoted: int) -> None:
        """Records the state of an item, the reason, and its latest quote in micro-dollars."""
        with self._lock, _stored(), self._rows:
            self._rows.execute(
                "UPDATE outbox SET state = ?, reason = ?, quoted = ? WHERE promotion_id = ?",
                (state.value, reason, quoted, promotion_id),
            )

    def accept(self, promotion_id: str, usd_micros: int) -> None:
        """Records the accepted price, in micro-dollars."""
        with self._lock, _stored(), self._rows:
            self._rows.execute(
                "UPDATE outbox SET accepted = ? WHERE promotion_id = ?", (usd_micros, promotion_id)
            )

    def remove(self, promotion_id: str) -> None:
        """Removes an item, after it was sent or when it is no longer wanted."""
        with self._lock, _stored(), self._rows:
            self._rows.execute("DELETE FROM outbox WHERE promotion_id = ?", (promotion_id,))
            self._rows.execute(
                "DELETE FROM outbox_pictures WHERE promotion_id = ?", (promotion_id,)
            )


@contextmanager
def _stored() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise EngineFailed(
            f"the outbox could not be written: {error}; free some space on the node's disk"
        ) from None


def _item(row: tuple[Any, ...]) -> OutboxItem:
    return OutboxItem(
        promotion_id=row[0],
        draft_id=row[1],
        prompt=row[2],
        state=OutboxState(row[3]),
        reason=row[4],
        accepted_usd_micros=row[5],
        quoted_usd_micros=row[6],
        kept_at=datetime.fromisoformat(row[7]),
    )
