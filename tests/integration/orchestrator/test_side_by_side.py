"""Three orchestrators on one Redis, none knowing of the others, killed in turn under load."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis import Redis
from typing_extensions import override
from underpaint.contract.errors import ServiceUnreachable
from underpaint.contract.promotion import Priority, PromotionState
from underpaint.orchestrator.settings import Settings
from underpaint.v1 import orchestrator_pb2 as pb

from tests.integration.orchestrator.client import PATIENCE_S, Client, request
from tests.integration.orchestrator.conftest import free_port
from tests.integration.orchestrator.stub_cloud import StubCloud
from tests.integration.orchestrator.test_process import CHARGED, arguments

SIDE_BY_SIDE, EACH = 3, 10
# Leases last 1 s; checkpoints are made, and entries trimmed, while others add some.
BUSY = ("--checkpoint-every-s", "1", "--concurrency", "2")
PIDS = "{underpaint}:promotion:"


class GatedCloud(StubCloud):
    """Holds back what it is asked for while the gate is closed, so that it is in flight."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()

    @override
    async def Generate(self, request: Any, context: Any) -> AsyncIterator[Any]:
        await self.gate.wait()
        async for answer in super().Generate(request, context):
            yield answer


@pytest.fixture
async def cloud() -> AsyncIterator[GatedCloud]:
    stub = GatedCloud()
    await stub.start()
    yield stub
    await stub.stop()


class Orchestrator:
    """One of them; started again, it has the address it had."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings.model_copy(update={"listen": f"127.0.0.1:{free_port()}"})
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            arguments(self.settings, *BUSY), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def orchestrators(settings: Settings) -> Iterator[list[Orchestrator]]:
    started = [Orchestrator(settings) for _ in range(SIDE_BY_SIDE)]
    yield started
    for each in started:
        each.kill()


async def served(orchestrators: list[Orchestrator]) -> list[Client]:
    clients = [Client(each.settings.listen) for each in orchestrators]
    await asyncio.gather(*(client.wait_until_served() for client in clients))
    return clients


async def acknowledged(clients: list[Client], promotion_id: str, priority: Priority) -> None:
    """Asks one after the other until one has acknowledged it."""
    for client in itertools.cycle(clients):
        try:
            await client.promote(promotion_id, request(priority=priority))
        except ServiceUnreachable:
            await asyncio.sleep(0.05)
        else:
            return


async def promote_many(clients: list[Client], mine: int) -> None:
    """Begins each time with the same one."""
    order = clients[mine:] + clients[:mine]
    for number in range(EACH):
        priority = list(Priority)[number % 2]
        await acknowledged(order, f"promotion-{mine}-{number:02d}", priority)


async def held_by(redis_url: str, victim: Orchestrator) -> list[str]:
    """The promotions that a process has in work, once it has some."""
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                found = []
                for key in redis.scan_iter(f"{PIDS}*"):
                    state, worker = redis.hmget(key, "state", "worker")
                    if state == "running" and f"-{victim.process.pid}-" in (worker or ""):
                        found.append(key.removeprefix(PIDS))
                if found:
                    return found
                await asyncio.sleep(0.02)


@pytest.mark.timeout(900)
async def test_killed_in_turn_under_load_every_acknowledged_promotion_settles_once(
    settings: Settings, cloud: GatedCloud, orchestrators: list[Orchestrator]
) -> None:
    clients = await served(orchestrators)
    promoting = [asyncio.create_task(promote_many(clients, mine)) for mine in range(SIDE_BY_SIDE)]
    torn: set[str] = set()  # out of the hands of a process that was killed
    for victim in orchestrators:
        cloud.gate.clear()
        torn |= set(await held_by(settings.redis_url, victim))
        victim.kill()
        cloud.gate.set()
        victim.start()
    await asyncio.gather(*promoting)
    await asyncio.gather(*(client.close() for client in clients))

    clients = await served(orchestrators)
    every = [
        f"promotion-{mine}-{number:02d}" for mine in range(SIDE_BY_SIDE) for number in range(EACH)
    ]
    finished = [
        await clients[index % SIDE_BY_SIDE].finished(promotion_id)
        for index, promotion_id in enumerate(every)
    ]
    assert {each.state for each in finished} == {PromotionState.SETTLED}
    assert len(torn) >= SIDE_BY_SIDE
    assert all(each.attempts >= 2 for each in finished if each.id in torn)
    moves: Counter[tuple[str, str]] = Counter()
    async for answer in clients[0].stub.ReadLedger(pb.ReadLedgerRequest(), timeout=PATIENCE_S):
        moves.update((each.promotion_id, each.kind) for each in answer.entries)
    assert {key: count for key, count in moves.items() if key[0]} == {
        (promotion_id, kind): 1 for promotion_id in every for kind in ("reserve", "settle")
    }
    spent = len(every) * CHARGED
    for client in clients:
        assert await client.budgets() == {"organisation:default": (0, spent)}
        verdict = await client.stub.VerifyLedger(pb.VerifyLedgerRequest(), timeout=PATIENCE_S)
        assert (list(verdict.mismatches), verdict.reservations, verdict.frozen) == ([], 0, "")
        assert await client.dead() == []
        await client.close()
    assert len(cloud.calls) <= len(every) + len(torn)
