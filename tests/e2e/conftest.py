"""Every process of `underpaint up`, on the bundled models, free ports and a fresh directory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from underpaint.local.leftovers import find
from underpaint.sdk.discovery import STATE

COMMAND = (sys.executable, "-c", "from underpaint.cli.main import main; main()")
# Somebody's proxy, at which nobody answers: nothing on this machine may be called through it.
PROXIES = dict.fromkeys(
    ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy"), "http://127.0.0.1:1"
)
FREE_PORTS = ("--edge-port", "0", "--orchestrator-port", "0", "--cloud-port", "0")
PATIENCE_S = 240.0


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run_cli(*arguments: object, data_dir: Path) -> Ended:
    """One command in a process of its own, as a user would run it."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("UNDERPAINT_")}
    done = subprocess.run(
        [*COMMAND, *map(str, arguments), "--data-dir", str(data_dir)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env=environ | PROXIES,
        cwd=data_dir.parent,
    )
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


def until(condition: Callable[[], Any], what: str) -> Any:
    """What the condition gives, once it gives something."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"waited in vain until {what}")


@dataclass
class Stack:
    """A running `underpaint up`."""

    data_dir: Path
    marks: set[str] = field(default_factory=set)
    process: subprocess.Popen[str] | None = None

    def start(self, *flags: object) -> None:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("UNDERPAINT_")}
        with (self.data_dir.parent / "up.err").open("a") as err:
            self.process = subprocess.Popen(
                [
                    *(*COMMAND, "up", "--json", *FREE_PORTS, "--data-dir", str(self.data_dir)),
                    *map(str, flags),
                ],
                stdout=subprocess.PIPE,
                stderr=err,
                text=True,
                env=environ | PROXIES,
            )
        assert self.process.stdout is not None
        said = ""
        for line in self.process.stdout:
            said += line
            if line.startswith("}"):
                break
        else:
            raise AssertionError((self.data_dir.parent / "up.err").read_text())
        assert json.loads(said) == self.state
        child = Path(f"/proc/{self.pid('edge')}/environ").read_bytes().split(b"\0")
        self.marks |= {v[17:].decode() for v in child if v.startswith(b"UNDERPAINT_UP_ID=")}

    @property
    def state(self) -> Any:
        return json.loads((self.data_dir / STATE).read_text())

    def pid(self, child: str) -> int:
        return int(self.state["pids"][child])

    def left(self) -> set[int]:
        """Processes of ours that live: by their mark, or by the directory they were given."""
        named = set()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(self.data_dir).encode() in command and int(entry.name) != os.getpid():
                named.add(int(entry.name))
        return named.union(*(find(mark) for mark in self.marks))

    def interrupt(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def cli(self, *arguments: object) -> Ended:
        return run_cli(*arguments, data_dir=self.data_dir)

    def ok(self, *arguments: object) -> Any:
        ended = self.cli(*arguments, "--json")
        assert ended.code == 0, ended.err
        return ended.json


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = Stack(tmp_path_factory.mktemp("e2e") / "data")
    running.start()
    try:
        yield running
    finally:
        if running.process and running.process.poll() is None:
            running.interrupt()
