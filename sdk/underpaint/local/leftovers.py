"""Finds and ends processes of an earlier run by a mark in their environment.

Ray's daemons leave the session and process group of whoever started them; the
environment they were started with stays.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Final

MARK: Final = "UNDERPAINT_UP_ID"
CHILD: Final = "UNDERPAINT_UP_CHILD"
_GONE_WITHIN_S: Final = 10.0


def find(mark: str, child: str = "") -> set[int]:
    """The ids of running processes with this mark, and of all their descendants.

    Args:
        mark: the value of UNDERPAINT_UP_ID.
        child: only those of one child; empty for all.
    """
    wanted = {f"{MARK}={mark}".encode()} | ({f"{CHILD}={child}".encode()} if child else set())
    parents: dict[int, int] = {}
    found: set[int] = set()
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if state == "Z":  # a zombie: it has ended
                continue
            parents[pid] = int(parent)
            if wanted <= set((entry / "environ").read_bytes().split(b"\0")):
                found.add(pid)
        except OSError:
            continue  # ended meanwhile, or someone else's
    # Some, such as Ray's workers, write their title over their environment.
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


async def end(pids: set[int], mark: str, child: str = "") -> None:
    """Kills processes, and new ones with their mark, until none is left."""
    deadline = asyncio.get_running_loop().time() + _GONE_WITHIN_S
    left = {pid for pid in pids if _lives(pid)} | find(mark, child)
    while left and asyncio.get_running_loop().time() < deadline:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        await asyncio.sleep(0.05)
        left = {pid for pid in left if _lives(pid)} | find(mark, child)


def _lives(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
