"""Finds and ends child processes, so that none is left behind. Does nothing except on Linux."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

_PROC = Path("/proc")


def descendants(pid: int) -> dict[int, str]:
    """Every descendant of a process, with the kernel's name of it."""
    parents: dict[int, tuple[int, str]] = {}
    for folder in _PROC.glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
        except OSError:  # ended meanwhile
            continue
        # The name stands in parentheses and may hold spaces and parentheses itself.
        name, _, rest = stat.partition("(")[2].rpartition(")")
        state, parent = rest.split()[:2]
        if state != "Z":
            parents[int(folder.name)] = (int(parent), name)
    below: dict[int, str] = {}
    fresh = {pid}
    while fresh:
        fresh = {child for child, (parent, _) in parents.items() if parent in fresh}
        below.update({child: parents[child][1] for child in fresh})
    return below


def mentioning(text: str) -> set[int]:
    """Other processes with a text in their command line."""
    found = set()
    for folder in _PROC.glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if text.encode() in command and int(folder.name) != os.getpid():
            found.add(int(folder.name))
    return found


def is_alive(pid: int) -> bool:
    """Whether a process is running; a zombie is not."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def end(pids: Iterable[int], patience_s: float) -> None:
    """Waits for processes to end by themselves, then kills those that have not."""
    left = {pid for pid in pids if is_alive(pid)}
    deadline = time.monotonic() + patience_s
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = {pid for pid in left if is_alive(pid)}
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
