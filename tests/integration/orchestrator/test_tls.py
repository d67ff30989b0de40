"""An orchestrator that is called, and calls the cloud, by TLS; its certificates are exchanged."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest
from underpaint.contract.errors import InvalidRequest, ServiceUnreachable
from underpaint.contract.promotion import PromotionState
from underpaint.local import authority
from underpaint.orchestrator.app import run
from underpaint.orchestrator.promotions.engine import CloudEngine
from underpaint.orchestrator.settings import Settings

from tests.integration.orchestrator.client import Client
from tests.integration.orchestrator.conftest import free_port
from tests.integration.orchestrator.stub_cloud import StubCloud


@dataclass
class House:
    """An authority, and the directories it fills."""

    folder: Path

    def fill(self, name: str) -> None:
        """Exchanges everybody's certificates for ones of a new authority."""
        authority.init(self.folder / name, [], days=10)
        for tier in ("orchestrator", "cloud", "artist"):
            authority.issue(self.folder / name, self.folder / tier, [], days=10)


async def test_a_promotion_goes_by_tls_before_and_after_an_exchange(
    clean_redis: str, tmp_path: Path
) -> None:
    house = House(tmp_path / "tls")
    house.fill("first")
    cloud = StubCloud(house.folder / "cloud")
    await cloud.start()
    settings = Settings(
        listen=f"127.0.0.1:{free_port()}",
        redis_url=clean_redis,
        cloud=cloud.address,
        data_dir=tmp_path / "data",
        tls_dir=house.folder / "orchestrator",
        grace_s=0.2,
    )
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, stop))
    try:
        for name in ("promotion-1", "promotion-2"):
            client = Client(settings.listen, tls_dir=house.folder / "artist")
            await client.wait_until_served(running)
            await client.promote(name)
            assert (await client.finished(name)).state is PromotionState.SETTLED
            await client.close()
            house.fill(name)
            # A cloud that is started again leaves no connection of before to go on with.
            await cloud.stop()
            await cloud.start()
    finally:
        stop.set()
        await running
        await cloud.stop()


async def test_a_cloud_without_tls_is_never_called(cloud: StubCloud, tmp_path: Path) -> None:
    authority.init(tmp_path / "tls", [], days=10)
    engine = CloudEngine(cloud.address, "sesame", tls_dir=tmp_path / "tls")
    with pytest.raises(ServiceUnreachable, match="it speaks no TLS; start it with --tls-dir"):
        await engine.served()
    await engine.close()


async def test_callers_and_tls_open_every_interface_and_nothing_else_does(
    settings: Settings, tmp_path: Path
) -> None:
    house = House(tmp_path / "tls")
    house.fill("first")
    (tmp_path / "token").write_text("sesame")
    listening = settings.model_copy(update={"listen": f"0.0.0.0:{free_port()}"})
    for more in (
        {},
        {"tls_dir": house.folder / "orchestrator"},
        {"token_file": tmp_path / "token"},
    ):
        with pytest.raises(InvalidRequest, match="can be reached from other machines"):
            await run(listening.model_copy(update=more), asyncio.Event())
    stop = asyncio.Event()
    stop.set()
    both = {"tls_dir": house.folder / "orchestrator", "token_file": tmp_path / "token"}
    await run(listening.model_copy(update=both), stop)
    await run(listening.model_copy(update={"insecure": True}), stop)
