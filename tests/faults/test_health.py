"""The health service follows Redis."""

from __future__ import annotations

from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.faults.books import check_the_books
from tests.faults.house import PATIENCE_S, House, Orchestrator, until_told

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
    await check_the_books(house)
