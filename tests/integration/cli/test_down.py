"""`underpaint down`, on a process that has the lock as `up` has it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from underpaint.sdk.discovery import Running

from tests.integration.cli.conftest import Cli

HOLDS = """
import pathlib, signal, sys
from underpaint.local.lock import take_lock
signal.signal(signal.SIGTERM, {})
lock = take_lock(pathlib.Path(sys.argv[1]))
print("held", flush=True)
while True:
    signal.pause()
"""
Hold = Callable[[str], int]


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Hold]:
    """Starts a process that has the lock of the data directory; ended at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(on_term: str) -> int:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDS.format(on_term), str(tmp_path / "data")],
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        addresses = {"orchestrator": "127.0.0.1:1", "edge": "127.0.0.1:2"}
        Running(pid=process.pid, addresses=addresses).write(tmp_path / "data")
        return process.pid

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_down_says_what_it_has_ended(cli: Cli, tmp_path: Path, hold: Hold) -> None:
    pid = hold("lambda *_: sys.exit()")
    ended = cli("down")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        f"stopped `underpaint up` with process id {pid} and its orchestrator, edge; "
        f"the data stays in {tmp_path / 'data'}\n"
    )
    again = cli("down")
    assert (again.code, again.out) == (0, f"nothing runs on {tmp_path / 'data'}\n")
    pid = hold("lambda *_: sys.exit()")
    assert cli("down", "--json").json == {
        "stopped": True,
        "pid": pid,
        "services": ["orchestrator", "edge"],
    }
    assert cli("down", "--json").json == {"stopped": False, "pid": None, "services": []}


def test_down_says_that_it_did_not_end(cli: Cli, hold: Hold) -> None:
    pid = hold("signal.SIG_IGN")
    ended = cli("down", "--timeout", 0.3)
    assert ended.code == 1
    assert "was told to stop and still runs" in ended.err
    assert f"kill -9 {pid}" in ended.err
