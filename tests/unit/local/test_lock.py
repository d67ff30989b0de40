"""The lock of a data directory: who has it, and how they are told to stop."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from underpaint.local.lock import stop, take_lock
from underpaint.sdk.discovery import LOCK, Running

HOLDS = """
import signal, sys, pathlib
from underpaint.local.lock import take_lock
{}
lock = take_lock(pathlib.Path(sys.argv[1]))
print("held", flush=True)
signal.pause()
"""
POLITE = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))"
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"

Hold = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Hold]:
    """A process of its own that has the lock; ended at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


async def test_the_one_that_has_the_lock_is_stopped(tmp_path: Path, hold: Hold) -> None:
    process = hold(HOLDS.format(POLITE))
    Running(pid=process.pid, addresses={"edge": "127.0.0.1:1"}).write(tmp_path)
    ending = await stop(tmp_path, 60.0)
    assert ending is not None
    assert (ending.pid, ending.stopped) == (process.pid, True)
    assert ending.addresses == {"edge": "127.0.0.1:1"}
    assert process.wait(60) == 0
    assert await stop(tmp_path, 60.0) is None


async def test_one_that_has_not_started_all_yet_is_stopped(tmp_path: Path, hold: Hold) -> None:
    process = hold(HOLDS.format(POLITE))
    ending = await stop(tmp_path, 60.0)
    assert ending is not None
    assert (ending.pid, ending.stopped, ending.addresses) == (process.pid, True, {})


async def test_one_that_does_not_stop_in_time_is_told_of(tmp_path: Path, hold: Hold) -> None:
    process = hold(HOLDS.format(DEAF))
    ending = await stop(tmp_path, 0.0)
    assert ending is not None
    assert (ending.pid, ending.stopped) == (process.pid, False)
    assert process.poll() is None


async def test_a_lock_that_was_left_behind_stops_nobody(
    tmp_path: Path, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = hold(HOLDS.format(POLITE))
    process.kill()
    process.wait(60)
    assert (tmp_path / LOCK).read_text() == f"{process.pid}\n"
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("it may be anybody's number by now"))
    assert await stop(tmp_path, 60.0) is None
    assert await stop(tmp_path / "nowhere", 60.0) is None


def test_a_shorter_number_leaves_nothing_of_the_one_before(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text("99999999999\n")
    lock = take_lock(tmp_path)
    assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"
    os.close(lock)
