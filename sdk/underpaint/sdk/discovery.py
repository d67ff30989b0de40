"""The state file of a running `underpaint up`: where its services listen."""

from __future__ import annotations

import fcntl
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from underpaint.contract.errors import ServiceUnreachable
from underpaint.sdk.settings import Settings

STATE: Final = "up.json"
LOCK: Final = "up.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The services that `up` has started; written again when one is restarted."""

    pid: int
    addresses: dict[str, str] = field(default_factory=dict)  # HOST:PORT by service
    pids: dict[str, int] = field(default_factory=dict)  # process ids by service
    seconds: dict[str, float] = field(default_factory=dict)  # by service: from start to healthy
    total_seconds: float = 0.0

    def write(self, data_dir: Path) -> None:
        """Replaces the state file atomically, so that a reader never sees half of it."""
        path = data_dir / STATE
        scratch = path.with_suffix(".new")
        scratch.write_text(json.dumps(asdict(self), indent=2) + "\n")
        scratch.replace(path)


def read_running(data_dir: Path) -> Running | None:
    """The services that run on a data directory; None if none do.

    An `up` that was killed leaves its state file behind, so its lock is checked.
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


def find_addresses(settings: Settings) -> tuple[str, str]:
    """The addresses of edge node and orchestrator, from the settings or the running `up`.

    Raises:
        ServiceUnreachable: neither address is known.
    """
    if settings.edge and settings.orchestrator:
        return settings.edge, settings.orchestrator
    running = read_running(settings.data_directory)
    addresses = running.addresses if running else {}
    edge = settings.edge or addresses.get("edge", "")
    orchestrator = settings.orchestrator or addresses.get("orchestrator", "")
    if not (edge or orchestrator):
        raise ServiceUnreachable(
            f"nothing runs on {settings.data_directory}; start it with `underpaint up`, "
            "or set UNDERPAINT_EDGE and UNDERPAINT_ORCHESTRATOR"
        )
    return edge, orchestrator
