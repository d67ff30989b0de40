"""One `underpaint up` for each data directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from underpaint.contract.errors import InvalidRequest
from underpaint.sdk.discovery import LOCK


def take_lock(data_dir: Path) -> int:
    """Makes the data directory and takes it for this process; returns the lock to close.

    Raises:
        InvalidRequest: another `up` has it, or it cannot be written.
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
            f"`underpaint up` already runs on {data_dir}; stop it, or choose another --data-dir"
        ) from None
    return lock
