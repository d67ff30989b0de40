"""The health service follows Redis."""

from __future__ import annotations

import asyncio
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.faults.house import PATIENCE_S, House, Orchestrator, until, until_told
from tests.faults.verdict import check_the_ledger

STATES = health_pb2.HealthCheckResponse


async def reports(at: Orchestrator, state: int) -> None:
    """Waits until all services are said to be in a state."""
    health: Any = health_pb2_grpc.HealthStub(at.client.channel)

    async def told() -> bool:
        names = ("", "underpaint.v1.OrchestratorService")
        asked = [health_pb2.HealthCheckRequest(service=name) for name in names]
        return {(await health.Check(each, timeout=PATIENCE_S)).status for each in asked} == {state}

    await until_told(told, f"it reports {STATES.ServingStatus.Name(state)}")


async def test_it_reports_not_serving_while_redis_is_stalled_or_dead(house: House) -> None:
    orchestrator = await house.start()
    await reports(orchestrator, STATES.SERVING)
    house.redis.stall()
    await reports(orchestrator, STATES.NOT_SERVING)
    house.redis.wake()
    await reports(orchestrator, STATES.SERVING)
    house.redis.kill()
    await reports(orchestrator, STATES.NOT_SERVING)
    await house.start_redis()
    await reports(orchestrator, STATES.SERVING)
    await house.insist(lambda: orchestrator, "promotion-1")
    await check_the_ledger(house)


async def test_rights_that_redis_takes_away_are_told_and_missed_only_while_they_are(
    house: House,
) -> None:
    """Such as in the middle of a change of its users: what looks and listens goes on after it."""

    def looks(kind: str) -> int:
        asked: dict[str, int] = house.store.info("commandstats").get("cmdstat_hmget", {})
        return asked.get(kind, 0)

    house.orders.hold.touch()
    orchestrator = await house.start("--lease-s", "600")
    await house.promote(orchestrator, "promotion-1")
    await house.began("promotion-1")
    watching = asyncio.create_task(orchestrator.client.events("promotion-1"))
    await until(lambda: looks("calls"), "it looks for news of what is watched")
    house.store.execute_command("ACL", "SETUSER", "default", "-ping", "-hmget")
    await reports(orchestrator, STATES.NOT_SERVING)
    await until(lambda: looks("rejected_calls"), "it has looked in vain")
    house.store.execute_command("ACL", "SETUSER", "default", "+@all")
    await reports(orchestrator, STATES.SERVING)
    seen = looks("calls")
    await until(lambda: looks("calls") > seen, "it looks again")
    house.orders.hold.unlink()
    assert (await watching)[-1].state.final
    await check_the_ledger(house)
