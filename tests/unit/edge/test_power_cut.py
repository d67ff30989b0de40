"""What the store has acknowledged survives the loss of everything that was not flushed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from underpaint.contract.errors import EngineFailed
from underpaint.edge.store import DraftStore

from tests.unit.edge.test_store import make_draft, open_store, pictures


class Disk:
    """Watches the real disk: which files' bytes and which folders' names were flushed.

    A file's bytes are safe once it was flushed; its name, once its folder was flushed after the
    last change of a name in it. So it is with ext4, XFS and others.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._flushed: set[int] = set()  # inodes of files
        self._unsafe: set[Path] = set()  # names changed since their folder was flushed

    def fsync(self, descriptor: int) -> None:
        inode = os.fstat(descriptor).st_ino
        self._flushed.add(inode)
        self._unsafe = {name for name in self._unsafe if name.parent.stat().st_ino != inode}

    def named(self, path: Path) -> None:
        self._unsafe.add(path)

    def cut_power(self) -> None:
        """Leaves what is sure to be there afterwards."""
        for path in pictures(self._folder):
            if path.stat().st_ino not in self._flushed:
                path.write_bytes(b"")
            if self._unsafe & {path, path.parent, path.parent.parent}:
                path.unlink()


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    watched = Disk(tmp_path)
    fsync, replace, mkdir = os.fsync, os.replace, os.mkdir

    def flush(descriptor: int) -> None:
        fsync(descriptor)
        watched.fsync(descriptor)

    def rename(source: Any, target: Any, **more: Any) -> None:
        replace(source, target, **more)
        watched.named(Path(target))

    def make(path: Any, *given: Any, **more: Any) -> None:
        mkdir(path, *given, **more)
        watched.named(Path(path))

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "replace", rename)
    monkeypatch.setattr(os, "mkdir", make)
    return watched


def cut(store: DraftStore, disk: Disk) -> None:
    store.close()
    disk.cut_power()


def test_an_acknowledged_draft_survives_a_power_cut(tmp_path: Path, disk: Disk) -> None:
    store = open_store(tmp_path)
    drafts = [make_draft(b"picture %d" % i) for i in range(3)]
    for i, draft in enumerate(drafts):
        store.add(draft, b"picture %d" % i)
    cut(store, disk)
    store = open_store(tmp_path)
    for i, draft in enumerate(drafts):
        assert store.picture(store.find(draft.id)) == b"picture %d" % i
    store.close()


def test_rows_are_flushed_before_add_returns(tmp_path: Path) -> None:
    """SQLite does the flushing; in WAL mode it does so at each commit only if told FULL."""
    store = open_store(tmp_path)
    assert store._rows.execute("PRAGMA synchronous").fetchone() == (2,)
    store.close()


def test_a_picture_is_flushed_before_the_row_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails to flush keeps neither: no draft is listed whose picture may be gone."""
    store = open_store(tmp_path)

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as failing:
        failing.setattr(os, "fsync", fail)
        with pytest.raises(EngineFailed, match="could not be stored"):
            store.add(make_draft(b"lost"), b"lost")
    assert len(store) == 0
    store.close()
