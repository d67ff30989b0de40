"""Whose work an engine with too little room does next, in a whole orchestrator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
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
from tests.integration.orchestrator.tenants import serving, write_callers


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


@pytest.fixture
def teams(settings: Settings, tmp_path: Path) -> Settings:
    """An artist of a team, and one who may name any team there is."""
    callers = write_callers(
        tmp_path / "callers.yaml",
        {
            "ana": ("acme", "artists", "web", ["artist"]),
            "ben": ("acme", "'*'", "'*'", ["artist"]),
            "ada": ("acme", "default", "default", ["administrator"]),
        },
    )
    return settings.model_copy(update={"callers_file": callers})


async def test_an_engine_with_too_little_room_serves_credentials_in_turn(
    teams: Settings, cloud: NarrowCloud
) -> None:
    """However many teams one of them invents."""
    async with serving(teams, "ana", "ben", "ada") as house:
        await house["ada"].set_budget("organisation:acme", 10**9)
        invented = [f"invented-{number:02d}" for number in range(12)]
        cloud.gate.clear()
        for promotion_id in invented:
            account = Account(team=promotion_id, project="catalogue")
            await house["ben"].promote(promotion_id, request(account=account))
        for number in range(3):
            await house["ana"].promote(f"artist-0{number}")
        begun = len(cloud.order)
        cloud.gate.set()
        for promotion_id in invented:
            finished = await house["ben"].finished(promotion_id)
            assert (finished.state, finished.attempts) == (PromotionState.SETTLED, 1)
        # At most those that had been taken already go before her, and then one in two is hers.
        places = [cloud.order.index(f"acme/artist-0{number}") for number in range(3)]
        assert places[-1] <= begun + 4 + 2 * 3


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
