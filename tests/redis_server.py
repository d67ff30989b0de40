"""A real Redis-protocol server for tests, started the way one machine starts it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis


@contextmanager
def serving_redis(data_dir: Path) -> Iterator[str]:
    """Its URL, while it serves."""
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "underpaint.orchestrator.storage.redis.embedded",
            "--data-dir",
            str(data_dir),
        ]
    )
    url = f"unix://{data_dir}/redis.sock"
    try:
        wait_for_redis(url, server)
        yield url
    finally:
        server.terminate()
        server.wait(10)


def wait_for_redis(url: str, server: subprocess.Popen[Any]) -> None:
    with Redis.from_url(url) as client:
        for _ in range(400):
            try:
                client.ping()
                return
            except Exception:
                assert server.poll() is None, "the server ended"
                try:
                    server.wait(0.05)
                except subprocess.TimeoutExpired:
                    continue
    pytest.fail("the server did not answer")
