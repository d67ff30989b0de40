"""A node's outbox and a whole orchestrator: cut off, healed, charged once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from underpaint.contract.outbox import OutboxState
from underpaint.contract.promotion import PromotionState
from underpaint.orchestrator.app import run
from underpaint.orchestrator.settings import Settings

from tests.integration.edge.test_outbox import running
from tests.integration.orchestrator.client import Client
from tests.integration.orchestrator.stub_cloud import StubCloud

PATIENCE_S = 60


async def test_kept_while_cut_off_it_is_settled_once_after_the_cut_heals(
    settings: Settings, cloud: StubCloud, tmp_path: Path
) -> None:
    async with running(tmp_path / "node", settings.listen) as node:
        for number in range(3):
            await node.keep(f"promotion-{number}", accepted=10**6)
        _, left = await node.client.send_outbox()
        assert {item.state for item in left} == {OutboxState.HELD}
        sender = asyncio.create_task(node.sender.run())
        stop = asyncio.Event()
        whole = asyncio.create_task(run(settings, stop))
        client = Client(settings.listen)
        await client.wait_until_served(whole)
        async with asyncio.timeout(PATIENCE_S):
            while await node.client.outbox():
                pass
        sender.cancel()
        finished = [await client.finished(f"promotion-{number}") for number in range(3)]
        assert {each.state for each in finished} == {PromotionState.SETTLED}
        charged = sum(each.receipt.charged_usd_micros for each in finished if each.receipt)
        assert await client.budgets() == {"organisation:default": (0, charged)}
        assert len(cloud.calls) == 3
        # Kept once more, it is found and not done again.
        again = await node.keep("promotion-0", accepted=10**6)
        sent, left = await node.client.send_outbox()
        assert ([each.id for each in sent], left) == (["promotion-0"], [])
        assert replace(sent[0], warnings=()) == replace(finished[0], warnings=())
        assert again.promotion_id == "promotion-0"
        assert await client.budgets() == {"organisation:default": (0, charged)}
        await client.close()
        stop.set()
        await whole
