from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from underpaint.local import authority

from tests.tiny.plain import save_flow

START_S = 240  # generous: other work may hold both cores


@dataclass(frozen=True, slots=True)
class Cloud:
    """A running `python -m underpaint.cloud` and how to reach it."""

    process: subprocess.Popen[str]
    address: str
    token: str
    folder: Path
    model: Path
    lines: list[str]
    tls_dir: Path | None = None


# Somebody's proxy, at which nobody answers: nothing on this machine may be called through it.
PROXIES = dict.fromkeys(("http_proxy", "https_proxy", "grpc_proxy"), "http://127.0.0.1:1")


def start_cloud(folder: Path, model: Path, token: str = "", tls_dir: Path | None = None) -> Cloud:
    """Starts one and waits until it says that it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "underpaint.cloud", "--model", str(model)]
    command += ["--listen", address, "--data-dir", str(folder), "--threads", "1"]
    if token:
        (folder.parent / "token").write_text(token)
        command += ["--token-file", str(folder.parent / "token")]
    if tls_dir:
        command += ["--tls-dir", str(tls_dir)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | PROXIES)
    lines: list[str] = []
    impatient = threading.Timer(START_S, process.kill)
    impatient.start()
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line.rstrip())
        if "listening on" in line:
            break
    impatient.cancel()
    assert lines, "it said nothing"
    assert lines[-1] == f"underpaint cloud listening on {address}", lines
    return Cloud(process, address, token, folder, model, lines, tls_dir)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One for all tests, called by TLS; those after the one that ends it start their own."""
    root = tmp_path_factory.mktemp("cloud")
    authority.init(root / "tls", [], days=10)
    model = save_flow(root / "tiny")
    running = start_cloud(root / "data", model, token="sesame", tls_dir=root / "tls")
    try:
        yield running
    finally:
        running.process.terminate()
        running.process.wait(60)
