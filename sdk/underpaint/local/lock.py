"""The lock that allows one `underpaint up` for each data directory, and how to stop that one."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from underpaint.contract.errors import InvalidRequest
from underpaint.sdk.discovery import LOCK, read_running

_LOOK_EVERY_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The `up` that was told to stop."""

    pid: int
    stopped: bool  # in the time that was given
    addresses: dict[str, str] = field(default_factory=dict)  # by child, if all had started


def take_lock(data_dir: Path) -> int:
    """Makes the data directory and locks it for this process; returns the lock's descriptor.

    Raises:
        InvalidRequest: another `up` uses it, or it cannot be written.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InvalidRequest(
            f"the data directory {data_dir} cannot be written ({error.strerror}); "
            "choose another with --data-dir"
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise InvalidRequest(
            f"`underpaint up` already runs on {data_dir}; stop it with `underpaint down`, "
            "or choose another --data-dir"
        ) from None
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock


async def stop(data_dir: Path, timeout_s: float) -> Ending | None:
    """Stops the `up` of a data directory and waits until it has ended; None if none runs.

    Raises:
        InvalidRequest: it belongs to another user.
    """
    pid = _holder(data_dir)
    if pid is None:
        return None
    running = read_running(data_dir)
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        pass  # it has just ended
    except PermissionError:
        raise InvalidRequest(
            f"`underpaint up` with process id {pid} is another user's; ask them to stop it"
        ) from None
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while held := _holder(data_dir) == pid:
        if loop.time() >= deadline:
            break
        await asyncio.sleep(_LOOK_EVERY_S)  # there is no notification of a released lock
    return Ending(pid=pid, stopped=not held, addresses=running.addresses if running else {})


def _holder(data_dir: Path) -> int | None:
    """The process that has the lock, by what it wrote there; a lock left behind names none."""
    try:
        with (data_dir / LOCK).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read())
    except (OSError, ValueError):
        pass
    return None
