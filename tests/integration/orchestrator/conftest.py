from __future__ import annotations

import asyncio
import secrets
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from underpaint.orchestrator.app import run
from underpaint.orchestrator.promotions.store import PromotionStore
from underpaint.orchestrator.settings import Settings
from underpaint.orchestrator.storage.memory.store import MemoryStore
from underpaint.orchestrator.storage.redis.store import RedisStore

from tests.integration.orchestrator.client import Client
from tests.integration.orchestrator.stub_cloud import StubCloud


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server, started the way one machine starts it."""
    data_dir = tmp_path_factory.mktemp("redis")
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


@pytest.fixture
def clean_redis(redis_url: str) -> str:
    with Redis.from_url(redis_url) as client:
        client.flushall()
    return redis_url


@pytest.fixture(params=["memory", "redis"])
async def ledger(request: pytest.FixtureRequest) -> AsyncIterator[PromotionStore]:
    """Both ledgers, empty, with leases of 0.3 s."""
    kind: PromotionStore
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
        kind = RedisStore(url, lease_s=0.3, root=f"{{test-{secrets.token_hex(4)}}}")
    else:
        kind = MemoryStore(lease_s=0.3)
    await kind.open()
    yield kind
    await kind.close()


@pytest.fixture
async def cloud() -> AsyncIterator[StubCloud]:
    stub = StubCloud()
    await stub.start()
    yield stub
    await stub.stop()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def settings(clean_redis: str, cloud: StubCloud, tmp_path: Path) -> Settings:
    return Settings(
        listen=f"127.0.0.1:{free_port()}",
        redis_url=clean_redis,
        cloud=cloud.address,
        data_dir=tmp_path / "data",
        lease_s=5.0,
        backoff_s=0.05,
        grace_s=0.2,
    )


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    """A client of a whole orchestrator in this process."""
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, stop))
    caller = Client(settings.listen)
    await caller.wait_until_served(running)
    yield caller
    await caller.close()
    stop.set()
    await running
    left = asyncio.all_tasks() - {asyncio.current_task()}
    ours = [each.get_name() for each in left if "underpaint/orchestrator" in str(each.get_coro())]
    assert not ours, "tasks were left running"
