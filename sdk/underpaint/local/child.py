"""One child process: starts and stops it, and reads its log."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from underpaint.local import launcher, leftovers

_MAX_LOG_BYTES: Final = 10 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """How to start a child process, and how to check that it is healthy."""

    name: str
    command: tuple[str, ...]
    address: str  # host:port, or the path of a unix socket
    probe: Callable[[], Awaitable[str]]  # returns why it is not healthy; "" if it is
    after: tuple[str, ...] = ()  # children that must be healthy first
    environ: Mapping[str, str] = field(default_factory=dict)
    grace_s: float = 10.0  # from SIGTERM to SIGKILL


class Child:
    """A child's process and its log; started again by calling `start` again."""

    def __init__(self, spec: ChildSpec, *, logs: Path, mark: str) -> None:
        self.spec = spec
        self.log = logs / f"{spec.name}.log"
        self._mark = mark
        self._process: asyncio.subprocess.Process | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    async def start(self) -> None:
        """Starts the process in a group of its own, its output going to the log."""
        if self.log.exists() and self.log.stat().st_size > _MAX_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        environ = (
            dict(os.environ)
            | {"PYTHONUNBUFFERED": "1"}
            | dict(self.spec.environ)
            | {leftovers.MARK: self._mark, leftovers.CHILD: self.spec.name}
        )
        # With a launcher instead of preexec_fn, which may deadlock with gRPC's threads.
        launch = (sys.executable, "-I", "-S", launcher.__file__, str(os.getpid()))
        with self.log.open("ab") as log:
            log.write(f"--- started at {datetime.now().astimezone():%F %T}\n".encode())
            log.flush()
            self._log_start = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *launch,
                *self.spec.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environ,
                process_group=0,
            )

    async def wait(self) -> int:
        """The exit code, once it has ended."""
        return await self._process.wait() if self._process else 0

    def tail(self, lines: int) -> list[str]:
        """The last lines of its log since the last start."""
        with self.log.open("rb") as log:
            log.seek(max(self._log_start, self.log.stat().st_size - 64 * 1024))
            text = log.read().decode(errors="replace")
        return [line for line in text.splitlines() if line.strip()][-lines:]

    async def stop(self, grace_s: float) -> None:
        """Sends SIGTERM, waits `grace_s` seconds, then kills it and its descendants."""
        offspring = leftovers.find(self._mark, self.spec.name)
        process = self._process
        if process and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(grace_s):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        await leftovers.end(offspring, self._mark, self.spec.name)

    def kill(self) -> None:
        """Kills it at once."""
        if self.pid:
            os.killpg(self.pid, signal.SIGKILL)
