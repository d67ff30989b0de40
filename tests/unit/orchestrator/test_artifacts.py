from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from underpaint.contract.errors import InvalidRequest, ServiceUnreachable
from underpaint.contract.pictures import Digest, media_type
from underpaint.orchestrator.artifacts import CHECKED_AT_ONCE, THREADS, Artifacts

from tests.unit.orchestrator.samples import DRAFT

DIGEST = Digest.of(DRAFT)


async def test_damaged_bytes_are_not_returned(tmp_path: Path) -> None:
    artifacts = Artifacts(str(tmp_path))
    await artifacts.put(DRAFT, DIGEST)
    stored = tmp_path / DIGEST.sha256[:2] / DIGEST.sha256
    stored.write_bytes(DRAFT[:-1])
    assert not await artifacts.has(DIGEST)
    await artifacts.put(DRAFT, DIGEST)
    assert await artifacts.has(DIGEST)
    assert [path.name for path in stored.parent.iterdir()] == [DIGEST.sha256]


def test_where_a_store_is_says_no_password(tmp_path: Path) -> None:
    assert Artifacts("memory://ann:secret@bucket/a").place == "memory://bucket/a"
    assert Artifacts(str(tmp_path)).place == f"{tmp_path} on {socket.gethostname()}"


async def test_few_pictures_are_checked_at_once_and_reading_goes_on_meanwhile(
    tmp_path: Path,
) -> None:
    artifacts = Artifacts(str(tmp_path))
    await artifacts.put(DRAFT, DIGEST)
    running, go_on, lock = 0, threading.Event(), threading.Lock()
    at_once: list[int] = []

    def check(_: bytes) -> None:
        nonlocal running
        with lock:
            running += 1
            at_once.append(running)
        assert go_on.wait(60)
        with lock:
            running -= 1

    many = 2 * THREADS
    checks = asyncio.gather(*(artifacts.examine(DRAFT, DIGEST, check) for _ in range(many)))
    await asyncio.to_thread(_until, lambda: running == CHECKED_AT_ONCE)
    assert await artifacts.has(DIGEST)
    go_on.set()
    assert all(await checks)
    assert len(at_once) == many
    assert max(at_once) == CHECKED_AT_ONCE


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline


async def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    artifacts = Artifacts(str(tmp_path))
    (tmp_path / DIGEST.sha256[:2]).write_text("in the way")
    with pytest.raises(ServiceUnreachable, match="could not be stored"):
        await artifacts.put(DRAFT, DIGEST)


@pytest.mark.parametrize("url", ["nosuchkind://x", "/dev/null/x"])
def test_a_place_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be kept"):
        Artifacts(url)


def test_media_types() -> None:
    kinds = [media_type(b) for b in (DRAFT, b"\xff\xd8\xff\xe0", b"RIFF0000WEBPVP8", b"?")]
    assert kinds == ["image/png", "image/jpeg", "image/webp", "application/octet-stream"]
