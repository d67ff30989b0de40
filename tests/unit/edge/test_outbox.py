from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from underpaint.contract.errors import (
    DraftNotFound,
    InvalidRequest,
    PromotionConflict,
    PromotionNotFound,
)
from underpaint.contract.outbox import OutboxItem, OutboxState
from underpaint.edge import outbox
from underpaint.edge.store import DraftStore

from tests.unit.edge.test_store import make_draft, open_store, pictures

REQUEST = b"\x0a\x00 as it travels"


def make_item(promotion_id: str = "promotion-1", draft_id: str = "aaaaaaaaaaaa") -> OutboxItem:
    return OutboxItem(
        promotion_id=promotion_id,
        draft_id=draft_id,
        prompt="a cat\n\u2603",
        state=OutboxState.HELD,
        reason="held",
        accepted_usd_micros=2**53 - 1,
        quoted_usd_micros=3,
        kept_at=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DraftStore]:
    opened = open_store(tmp_path)
    opened.add(make_draft(b"one", id_="aaaaaaaaaaaa"), b"one")
    yield opened
    opened.close()


def test_what_is_kept_comes_back_exactly_after_a_restart(store: DraftStore, tmp_path: Path) -> None:
    item = make_item()
    assert store.outbox.keep(item, REQUEST) == item
    store.close()
    again = open_store(tmp_path)
    assert again.outbox.find("promotion-1") == (item, REQUEST)
    assert again.outbox.items() == [item]
    again.close()


def test_a_kill_right_after_keep_loses_nothing(tmp_path: Path) -> None:
    code = (
        "import os, sys; sys.path.insert(0, os.getcwd()); from pathlib import Path\n"
        "from tests.unit.edge import test_outbox as own\n"
        f"store = own.open_store(Path({str(tmp_path)!r}))\n"
        "store.add(own.make_draft(b'one', id_='aaaaaaaaaaaa'), b'one')\n"
        "store.outbox.keep(own.make_item(), own.REQUEST)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert ended.returncode == -9, ended.stderr.decode()
    store = open_store(tmp_path)
    assert store.outbox.find("promotion-1") == (make_item(), REQUEST)
    store.close()


def test_the_same_again_is_kept_once_and_other_content_is_a_conflict(store: DraftStore) -> None:
    store.outbox.keep(make_item(), REQUEST)
    later = dataclasses.replace(make_item(), kept_at=datetime.now(UTC), accepted_usd_micros=1)
    assert store.outbox.keep(later, REQUEST) == make_item()
    with pytest.raises(PromotionConflict, match="choose a new id"):
        store.outbox.keep(make_item(), b"other")
    assert len(store.outbox.items()) == 1


def test_it_is_noted_accepted_and_removed(store: DraftStore) -> None:
    store.outbox.keep(make_item(), REQUEST)
    store.outbox.note("promotion-1", OutboxState.ASKS, "dearer", 90)
    store.outbox.accept("promotion-1", 90)
    item, _ = store.outbox.find("promotion-1")
    assert (item.state, item.reason) == (OutboxState.ASKS, "dearer")
    assert (item.quoted_usd_micros, item.accepted_usd_micros) == (90, 90)
    store.outbox.remove("promotion-1")
    with pytest.raises(PromotionNotFound, match="not in the outbox"):
        store.outbox.find("promotion-1")


def test_a_draft_that_is_to_be_sent_is_neither_evicted_nor_deleted(tmp_path: Path) -> None:
    store = open_store(tmp_path, draft_limit=3)
    store.add(make_draft(b"one", id_="aaaaaaaaaaaa"), b"one")
    store.outbox.keep(make_item(), REQUEST)
    for number in range(5):
        store.add(make_draft(b"more %d" % number), b"more %d" % number)
    assert len(store) == 3
    assert store.picture(store.find("aaaaaaaaaaaa")) == b"one"
    with pytest.raises(InvalidRequest, match="outbox drop promotion-1"):
        store.delete("aaaaaaaaaaaa")
    store.outbox.remove("promotion-1")
    store.add(make_draft(b"last"), b"last")
    with pytest.raises(DraftNotFound):
        store.find("aaaaaaaaaaaa")
    assert len(pictures(tmp_path)) == 3
    store.close()


def test_an_outbox_of_all_drafts_leaves_room_for_the_newest(tmp_path: Path) -> None:
    store = open_store(tmp_path, draft_limit=1)
    store.add(make_draft(b"one", id_="aaaaaaaaaaaa"), b"one")
    store.outbox.keep(make_item(), REQUEST)
    store.add(make_draft(b"two", id_="bbbbbbbbbbbb"), b"two")
    assert [draft.id for draft in store.page(9)[0]] == ["bbbbbbbbbbbb", "aaaaaaaaaaaa"]
    store.close()


def test_a_promotion_of_a_draft_that_is_gone_is_not_kept(store: DraftStore) -> None:
    with pytest.raises(DraftNotFound):
        store.outbox.keep(make_item(draft_id="bbbbbbbbbbbb"), REQUEST)
    assert store.outbox.items() == []


def test_it_is_bounded_and_says_so(store: DraftStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MOST", 2)
    for number in range(2):
        store.outbox.keep(make_item(f"promotion-{number}"), REQUEST)
    with pytest.raises(InvalidRequest, match="holds 2 promotions"):
        store.outbox.keep(make_item("promotion-2"), REQUEST)
    assert store.outbox.keep(make_item("promotion-1"), REQUEST).promotion_id == "promotion-1"
