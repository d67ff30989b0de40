"""Whose work an engine with too little room does next, in a whole orchestrator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from typing_extensions import override
from underpaint.contract.errors import EngineBusy
from underpaint.contract.promotion import Account, PromotionState
from underpaint.orchestrator.app import run
from underpaint.orchestrator.settings import Settings

from tests.integration.orchestrator.client import Client, request
from tests.integration.orchestrator.conftest import free_port
from tests.integration.orchestrator.stub_cloud import StubCloud

CATALOGUE, ARTIST = Account(team="catalogue"), Account(team="artists", user="ana")


class NarrowCloud(StubCloud):
    """Takes one picture at a time and refuses all others; it draws while the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.at_work = False
        self.order: list[str] = []

    @override
    async def Generate(self, request: Any, context: Any) -> AsyncIterator[Any]:
        if self.at_work:
            raise EngineBusy("every engine is at work")
        self.at_work = True
        try:
            self.order.append(request.promotion_id)
            await self.gate.wait()
            async for answer in super().Generate(request, context):
                yield answer
        finally:
            self.at_work = False


@pytest.fixture
async def cloud() -> AsyncIterator[NarrowCloud]:
    stub = NarrowCloud()
    await stub.start()
    yield stub
    await stub.stop()


async def test_an_engine_with_too_little_room_serves_teams_in_turn(
    client: Client, cloud: NarrowCloud
) -> None:
    every = [f"catalogue-{number:02d}" for number in range(6)]
    cloud.gate.clear()
    for promotion_id in every:
        await client.promote(promotion_id, request(account=CATALOGUE))
    await client.promote("artist-00", request(account=ARTIST))
    begun = len(cloud.order)
    cloud.gate.set()
    for promotion_id in [*every, "artist-00"]:
        finished = await client.finished(promotion_id)
        assert (finished.state, finished.attempts) == (PromotionState.SETTLED, 1)
    # At most those that had been taken already go before the artist.
    assert cloud.order.index("artist-00") <= begun + 4


async def test_an_orchestrator_that_is_cut_from_the_cloud_holds_up_nobody(
    client: Client, settings: Settings
) -> None:
    stop = asyncio.Event()
    nowhere = {"listen": f"127.0.0.1:{free_port()}", "cloud": f"127.0.0.1:{free_port()}"}
    cut_off = asyncio.create_task(run(settings.model_copy(update=nowhere), stop))
    other = Client(nowhere["listen"])
    await other.wait_until_served(cut_off)
    for number in range(6):
        await other.promote(f"promotion-{number}")
    for number in range(6):
        finished = await client.finished(f"promotion-{number}")
        assert (finished.state, finished.attempts) == (PromotionState.SETTLED, 1)
    await other.close()
    stop.set()
    await cut_off
