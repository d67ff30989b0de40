from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis import Redis
from underpaint.contract.promotion import Account, PromotionState
from underpaint.orchestrator.app import run
from underpaint.orchestrator.settings import Settings

from tests.integration.orchestrator.client import Client, request
from tests.integration.orchestrator.stub_cloud import StubCloud
from tests.integration.orchestrator.tenants import CALLERS, POLICY, serving, write_callers


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


@pytest.fixture
def tenants(settings: Settings, tmp_path: Path) -> Settings:
    (tmp_path / "policy.yaml").write_text(POLICY)
    callers = write_callers(tmp_path / "callers.yaml", CALLERS)
    changes = {"callers_file": callers, "policy": tmp_path / "policy.yaml"}
    return settings.model_copy(update=changes)


@pytest.fixture
async def house(tenants: Settings) -> AsyncIterator[dict[str, Client]]:
    """Ann of acme has a finished promotion, and one of cat's waits for a lead's approval."""
    async with serving(tenants, *CALLERS, "") as clients:
        await clients["odo"].set_budget("organisation:acme", 10**9)
        await clients["odo"].set_budget("organisation:rival", 10**9)
        await clients["ann"].promote("promotion-1")
        await clients["ann"].finished("promotion-1")
        waiting = await clients["cat"].promote("promotion-2", request(account=Account()))
        assert waiting.state is PromotionState.WAITING
        yield clients
