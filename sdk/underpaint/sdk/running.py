"""The state file of a running `underpaint up`: where its services listen."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from underpaint.contract.errors import InvalidRequest, ServiceUnreachable
from underpaint.sdk.settings import Settings

STATE: Final = "up.json"
LOCK: Final = "up.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What `up` has started; rewritten when a child is restarted."""

    pid: int
    addresses: dict[str, str] = field(default_factory=dict)  # by child: host:port
    pids: dict[str, int] = field(default_factory=dict)  # by child
    seconds: dict[str, float] = field(default_factory=dict)  # by child: from start to healthy
    total_seconds: float = 0.0

    def write(self, data_dir: Path) -> None:
        """Replaces the state file in one step: a reader never sees half of it."""
        path = data_dir / STATE
        scratch = path.with_suffix(".new")
        scratch.write_text(json.dumps(asdict(self), indent=2) + "\n")
        scratch.replace(path)


def read_running(data_dir: Path) -> Running | None:
    """What is running on a data directory; None if nothing is.

    A state file whose `up` was killed is left behind; only the lock tells.
    """
    try:
        state = json.loads((data_dir / STATE).read_text())
        with (data_dir / LOCK).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Running(**state)
    except (OSError, ValueError, TypeError):
        pass
    return None


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


def find_addresses(settings: Settings) -> tuple[str, str]:
    """Addresses of the edge and the orchestrator: those set, else those of the running `up`.

    Raises:
        ServiceUnreachable: neither is there.
    """
    if settings.edge and settings.orchestrator:
        return settings.edge, settings.orchestrator
    running = read_running(settings.data_dir)
    addresses = running.addresses if running else {}
    edge = settings.edge or addresses.get("edge", "")
    orchestrator = settings.orchestrator or addresses.get("orchestrator", "")
    if not (edge or orchestrator):
        raise ServiceUnreachable(
            f"nothing runs on {settings.data_dir}; start it with `underpaint up`, "
            "or set UNDERPAINT_EDGE and UNDERPAINT_ORCHESTRATOR"
        )
    return edge, orchestrator
