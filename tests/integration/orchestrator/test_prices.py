"""A price table changes between the quote and the bill."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.promotion import PromotionState
from underpaint.orchestrator.app import run
from underpaint.orchestrator.settings import PRICES, Settings

from tests.integration.orchestrator.client import Client

CHARGED = 1_000 + 1_738  # a picture and ceil(2.5 x 695), from the shipped prices


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Client]:
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, stop))
    client = Client(settings.listen)
    try:
        await client.wait_until_served(running)
        yield client
    finally:
        await client.close()
        stop.set()
        await running


async def test_a_table_change_never_reprices_what_was_quoted(
    settings: Settings, tmp_path: Path
) -> None:
    dearer = (PRICES).read_text().replace("2026-11-21", "dearer")
    dearer = dearer.replace(": 695", ": 6950").replace(": 1000", ": 10000")
    file = tmp_path / "dearer.yaml"
    file.write_text(dearer)
    async with serving(settings) as client:
        quote = await client.quote()
        assert quote.price_table_version == "2026-11-21"
    async with serving(settings.model_copy(update={"prices": file})) as client:
        anew = await client.quote()
        assert anew.price_table_version == "dearer"
        assert anew.max_usd_micros == 10 * quote.max_usd_micros
        await client.promote("promotion-1", quote_id=quote.id)
        done = await client.finished("promotion-1")
        assert done.state is PromotionState.SETTLED
        assert done.quote == quote
        assert done.receipt
        assert done.receipt.charged_usd_micros == CHARGED
        assert done.receipt.price_table_version == "2026-11-21"


async def test_one_version_never_stands_for_two_tables(settings: Settings, tmp_path: Path) -> None:
    async with serving(settings):
        pass
    file = tmp_path / "dearer.yaml"
    file.write_text((PRICES).read_text().replace(": 695", ": 6950"))
    with pytest.raises(InvalidRequest, match="'2026-11-21' was used with other prices before"):
        async with serving(settings.model_copy(update={"prices": file})):
            pass
    async with serving(settings):  # the same as ever
        pass
