"""Clients of a stream that read slowly, stop, or are cut off."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from underpaint.contract.errors import UnderpaintError
from underpaint.contract.promotion import PromotionEvent

from tests.faults.house import ROOT, SMALL, House, small, sprung
from tests.faults.verdict import check_the_ledger

STALLED = 40
PREVIEW_BYTES = 120_000
PREVIEWS = 24
MOST_GROWTH = 48 * 2**20  # all that is streamed, kept for each, would be over 100 MiB


async def test_21_a_client_that_stops_reading_costs_little_and_holds_up_nobody(
    house: House,
) -> None:
    """Forty of them stop after one event; the memory stays bounded and another reads it all."""
    house.orders.preview_bytes.write_text(str(PREVIEW_BYTES))
    house.orders.step_s.write_text("0.11")  # previews are kept ten times a second at most
    house.orders.hold.touch()
    orchestrator = await house.start("--lease-s", "60")
    steps = small(request=replace(SMALL, num_inference_steps=PREVIEWS))
    await house.promote(orchestrator, "promotion-1", sent=steps)
    await house.began("promotion-1")
    address = orchestrator.client.address
    stalled = [house.client(address).watch("promotion-1") for _ in range(STALLED)]
    first = [await anext(events) for events in stalled]
    before = orchestrator.process.memory
    house.orders.hold.unlink()
    events = await orchestrator.client.events("promotion-1")
    grown = orchestrator.process.memory - before
    assert sum(len(event.preview) for event in events) > PREVIEWS // 2 * PREVIEW_BYTES
    assert grown < MOST_GROWTH, f"it grew by {grown / 2**20:.0f} MiB"
    for began, rest in zip(first, stalled, strict=True):
        assert [began, *[event async for event in rest]] == events
    await check_the_ledger(house)


async def test_22_a_client_that_drops_out_resumes_without_gap_or_repeat(house: House) -> None:
    """Cut off again and again in mid-stream, while the work goes on."""
    house.orders.step_s.write_text("0.05")
    orchestrator = await house.start("--lease-s", "60")
    door = await house.between(orchestrator.client.address)
    steps = small(request=replace(SMALL, num_inference_steps=30))
    await house.promote(orchestrator, "promotion-1", sent=steps)
    seen: list[PromotionEvent] = []
    cuts = 0
    while not (seen and seen[-1].state.final):
        outside = house.client(door.address)
        until_cut = len(seen) + 3
        try:
            async for event in outside.watch("promotion-1", seen[-1].id if seen else ""):
                seen.append(event)
                if len(seen) == until_cut:
                    door.reset()
                    cuts += 1
        except UnderpaintError:
            continue
    assert cuts > 5
    assert seen == await orchestrator.client.events("promotion-1")
    assert [event.step for event in seen if event.step] == list(range(1, 31))
    await check_the_ledger(house)


async def test_22_what_happens_while_it_is_looked_for_is_no_gap(house: House) -> None:
    """A promotion ends between the look at its events and the look at its state."""
    house.orders.hold.touch()
    worker = await house.start()
    wire = await house.between(house.socket)
    watcher = await house.start("--concurrency", "0", redis=wire)
    await house.promote(worker, "promotion-1")
    await house.began("promotion-1")
    key = f"{ROOT}:promotion:default/promotion-1"
    state = wire.hold(f"HGETALL\r\n${len(key)}\r\n{key}\r\n".encode())
    watching = asyncio.create_task(watcher.client.events("promotion-1"))
    await sprung(state.sprung)
    house.orders.hold.unlink()
    await house.ended("promotion-1")
    state.let_go()
    assert await watching == await worker.client.events("promotion-1")
    await check_the_ledger(house)
