from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis import Redis
from underpaint.orchestrator.app import run
from underpaint.orchestrator.settings import Settings

from tests.integration.orchestrator.client import Client
from tests.integration.orchestrator.stub_cloud import StubCloud


@pytest.fixture
def clean_redis(redis_url: str) -> str:
    with Redis.from_url(redis_url) as client:
        client.flushall()
    return redis_url


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
