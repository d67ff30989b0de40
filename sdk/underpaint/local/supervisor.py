"""Starts child processes in order, restarts them when they crash, and stops them all."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, Self

from underpaint.contract.errors import EngineFailed, InvalidRequest
from underpaint.local import leftovers
from underpaint.local.child import Child, ChildSpec

_PROBE_EVERY_S: Final = 0.1
# A first start may have to fetch a model.
_START_LIMIT_S: Final = 900.0
# How often a slow start is reported.
_TELL_EVERY_S: Final = 30.0
# A child that ran for less than this has crashed quickly.
_QUICK_S: Final = 30.0
_MAX_QUICK_CRASHES: Final = 5
_BACKOFF_S: Final = (0.25, 0.5, 1.0, 2.0)
_EARLY_GRACE_S: Final = 2.0
_TAIL_LINES: Final = 12
_WRONG_INPUT: Final = 2
# How a service begins the line of an error.
_OWN: Final = re.compile(r"^(error|underpaint [\w ]+): ")


class Phase(Enum):
    """The phase of a child's life."""

    WAITING = "waiting"  # for another to be healthy
    STARTING = "starting"
    HEALTHY = "healthy"
    RESTARTING = "restarting"  # it crashed
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(slots=True, kw_only=True)
class Status:
    """The state of a child, for display."""

    name: str
    address: str
    phase: Phase = Phase.WAITING
    since: float = 0.0  # by time.monotonic()
    start_seconds: float | None = None  # from its first start to its first healthy answer
    restarts: int = 0


class ChildGaveUp(EngineFailed):
    """A child keeps crashing; `tail` has the last lines of its log."""

    def __init__(self, message: str, tail: Sequence[str]) -> None:
        super().__init__(message)
        self.tail = tail


class Supervisor:
    """Runs the children in an `async with` block; at its end all of them have stopped.

    `started` and `watch` raise why it gave up:
        InvalidRequest: a child refused its settings at its first start.
        ChildGaveUp: a child crashed five times, each within half a minute of its start.
    """

    def __init__(
        self,
        specs: Sequence[ChildSpec],
        data_dir: Path,
        *,
        changed: Callable[[Status], None] = lambda status: None,
        slow: Callable[[str], None] = lambda why: None,
        tell_every_s: float = _TELL_EVERY_S,
    ) -> None:
        """Starts nothing yet.

        Args:
            specs: in the order to start; they are stopped in the reverse order.
            data_dir: logs go to its `logs`; its lock must be held.
            changed: called whenever a child enters a phase.
            slow: called now and then, with one line, while a child is not healthy yet.
            tell_every_s: how often that is, in seconds.
        """
        logs = data_dir / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        # Derived from the directory, so that a later start finds what a killed `up` left.
        self.mark = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:16]
        self.children = {spec.name: Child(spec, logs=logs, mark=self.mark) for spec in specs}
        self.statuses = {s.name: Status(name=s.name, address=s.address) for s in specs}
        self._changed = changed
        self._slow = slow
        self._tell_every_s = tell_every_s
        self._healthy = {spec.name: asyncio.Event() for spec in specs}
        self._tending: list[asyncio.Task[None]] = []
        self.total_seconds = 0.0

    async def __aenter__(self) -> Self:
        await leftovers.end(set(), self.mark)
        self._tending = [
            asyncio.create_task(self._tend(child), name=f"tend {name}")
            for name, child in self.children.items()
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for tending in self._tending:
            tending.cancel()
        await asyncio.gather(*self._tending, return_exceptions=True)
        for name, child in reversed(self.children.items()):
            self._enter(name, Phase.STOPPING)
            # A child that was never healthy has no work to finish, and Ray ignores SIGTERM while
            # it starts.
            healthy = self._healthy[name].is_set()
            await child.stop(child.spec.grace_s if healthy else _EARLY_GRACE_S)
            self._enter(name, Phase.STOPPED)
        await leftovers.end(set(), self.mark)

    async def started(self) -> None:
        """Waits until every child has been healthy."""
        begun = time.monotonic()
        all_healthy = asyncio.create_task(self._all_healthy())
        try:
            await asyncio.wait([all_healthy, *self._tending], return_when=asyncio.FIRST_COMPLETED)
        finally:
            all_healthy.cancel()
        self._raise_if_ended()
        self.total_seconds = time.monotonic() - begun

    async def watch(self) -> None:
        """Waits until a child cannot be kept running, and raises why."""
        await asyncio.wait(self._tending, return_when=asyncio.FIRST_COMPLETED)
        self._raise_if_ended()

    def _raise_if_ended(self) -> None:
        for tending in self._tending:
            if tending.done():
                tending.result()

    async def _all_healthy(self) -> None:
        for event in self._healthy.values():
            await event.wait()

    async def _tend(self, child: Child) -> None:
        """Starts a child, and again after each crash, until it crashes too often."""
        name = child.spec.name
        for other in child.spec.after:
            await self._healthy[other].wait()
        crashes = 0
        while True:
            begun = time.monotonic()
            self._enter(name, Phase.STARTING)
            await child.start()
            if await self._becomes_healthy(child):
                if self.statuses[name].start_seconds is None:
                    self.statuses[name].start_seconds = time.monotonic() - begun
                self._healthy[name].set()
                self._enter(name, Phase.HEALTHY)
            code = await child.wait()
            if code == _WRONG_INPUT and not self._healthy[name].is_set():
                raise InvalidRequest(_last_line(child))
            crashes = crashes + 1 if time.monotonic() - begun < _QUICK_S else 1
            if crashes >= _MAX_QUICK_CRASHES:
                raise ChildGaveUp(
                    f"{name} crashed {crashes} times in a row (exit code {code}); "
                    f"its log is {child.log}",
                    child.tail(_TAIL_LINES),
                )
            self.statuses[name].restarts += 1
            self._enter(name, Phase.RESTARTING)
            # Remaining descendants of the crashed child would disturb the new one.
            await leftovers.end(set(), self.mark, name)
            await asyncio.sleep(_BACKOFF_S[crashes - 1])

    async def _becomes_healthy(self, child: Child) -> bool:
        """Waits until a child is healthy; False if it ends first or takes too long."""
        ending = asyncio.create_task(child.wait())
        begun = time.monotonic()
        told = begun
        try:
            async with asyncio.timeout(_START_LIMIT_S):
                while not ending.done():
                    why = await child.spec.probe()
                    if not why and not ending.done():
                        return True
                    now = time.monotonic()
                    if why and now - told >= self._tell_every_s:
                        told = now
                        self._slow(
                            f"{child.spec.name} is still starting after {now - begun:.0f} s: "
                            f"{why}; its log is {child.log}"
                        )
                    await asyncio.wait([ending], timeout=_PROBE_EVERY_S)
        except TimeoutError:
            child.kill()
        finally:
            ending.cancel()
        return False

    def _enter(self, name: str, phase: Phase) -> None:
        status = self.statuses[name]
        status.phase, status.since = phase, time.monotonic()
        self._changed(status)


def _last_line(child: Child) -> str:
    """The line of a child's log that says why it refused its settings.

    It is the child's own, although a library may have printed more after it.
    """
    lines = child.tail(_TAIL_LINES) or [f"exit code 2 without a message; its log is {child.log}"]
    own = [line for line in lines if _OWN.match(line)] or lines
    return f"{child.spec.name}: {_OWN.sub('', own[-1].strip())}"
