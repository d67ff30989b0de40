"""The cloud engine is killed, breaks, or is gone."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

from underpaint.cloud import processes

from tests.faults.house import PATIENCE_S, SMALL, House, small
from tests.faults.verdict import check_the_ledger
from tests.integration.cloud.conftest import start_cloud
from tests.tiny.plain import save_flow

REPLICA = "ray::ServeReplica:underpaint:Engine"


async def test_04_a_replica_killed_in_mid_denoise_is_charged_once(
    house: House, tmp_path: Path
) -> None:
    """The real Ray Serve application: another replica takes its place and makes the picture."""
    model = await asyncio.to_thread(save_flow, tmp_path / "tiny")
    cloud = await asyncio.to_thread(start_cloud, tmp_path / "cloud", model)
    try:
        orchestrator = await house.start("--max-attempts", "20", cloud=cloud.address)
        (replica,) = _replicas(cloud.process.pid)
        many = small(request=replace(SMALL, num_inference_steps=150))
        await house.promote(orchestrator, "promotion-1", sent=many)
        async for event in orchestrator.client.watch("promotion-1"):
            if event.step:
                os.kill(replica, signal.SIGKILL)
                break
        assert await house.ended("promotion-1") == b"settled"
        finished = await orchestrator.client.get("promotion-1")
        assert finished.attempts > 1, "it was killed too late"
        told = [event.message for event in await orchestrator.client.events("promotion-1")]
        assert any("process died" in message for message in told)
        assert finished.receipt
        charged = finished.receipt.charged_usd_micros
        assert 0 < charged < finished.quote.max_usd_micros
        assert await orchestrator.client.budgets() == {"organisation:default": (0, charged)}
        await check_the_ledger(house)
    finally:
        cloud.process.terminate()
        cloud.process.wait(PATIENCE_S)


def _replicas(cloud: int) -> set[int]:
    """The processes that hold an engine, by what Ray calls them."""
    return processes.descendants(cloud).keys() & processes.mentioning(REPLICA)


async def test_20_an_engine_out_of_memory_is_asked_a_few_times_and_no_more(house: House) -> None:
    """Then the promotion is refused with the engine's reason, and the money is back."""
    house.orders.fault.write_text("out of memory")
    orchestrator = await house.start("--max-attempts", "3")
    await house.promote(orchestrator, "promotion-1")
    assert await house.ended("promotion-1") == b"released"
    refused = await orchestrator.client.get("promotion-1")
    assert "out of memory" in refused.reason
    assert refused.attempts == house.orders.wrote("began") == 3
    assert await orchestrator.client.budgets() == {"organisation:default": (0, 0)}
    await check_the_ledger(house)


async def test_20_an_engine_that_dies_of_a_promotion_is_not_killed_for_ever(house: House) -> None:
    """Killed during its work after every restart, as the kernel does when memory runs out."""
    house.orders.hold.touch()
    orchestrator = await house.start("--max-attempts", "3")
    await house.promote(orchestrator, "promotion-1")
    async for event in orchestrator.client.watch("promotion-1"):
        if event.step:  # otherwise it might be dead before the orchestrator hears that it began
            house.engine.kill()
            await house.start_engine()
    assert await house.ended("promotion-1") == b"released"
    refused = await orchestrator.client.get("promotion-1")
    assert "the connection was lost" in refused.reason
    assert refused.attempts == house.orders.wrote("began") == 3
    await check_the_ledger(house)


async def test_20_an_engine_that_is_gone_is_waited_for_until_the_reservation_ends(
    house: House,
) -> None:
    """Nothing was begun, so nothing was tried; the money is back when its time is over."""
    house.engine.kill()
    orchestrator = await house.start("--reservation-s", "1")
    await house.promote(orchestrator, "promotion-1")
    assert await house.ended("promotion-1") == b"expired"
    assert "out of reach" in (await orchestrator.client.get("promotion-1")).reason
    assert await orchestrator.client.budgets() == {"organisation:default": (0, 0)}
    await check_the_ledger(house)
