"""The artist's machine is cut off from the orchestrator."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from underpaint.contract.drafts import InitImage
from underpaint.contract.errors import Unavailable
from underpaint.contract.outbox import AT_ANY_PRICE, OutboxItem, OutboxState
from underpaint.orchestrator.settings import PRICES
from underpaint.sdk.client import AsyncUnderpaint
from underpaint.sdk.requests import DraftRequest, PolishRequest

from tests.faults.house import House, Process, until, until_told
from tests.faults.proxy import Proxy
from tests.faults.verdict import check_the_ledger
from tests.integration.edge.conftest import make_sd

CARD = {"name": "tiny", "native_size": 64, "num_inference_steps": 1, "guidance_scale": 1.0}
POLISH = PolishRequest(strength=0.6, width=64, height=64, num_inference_steps=4)


@pytest.fixture
async def door(house: House) -> Proxy:
    """The way from the artist's machine to whatever orchestrator there is."""
    return await house.between("127.0.0.1:0")


async def start_edge(house: House, model: Path, door: Proxy) -> tuple[Process, AsyncUnderpaint]:
    process = house.run(
        "edge",
        *(sys.executable, "-m", "underpaint.edge", "--listen", "127.0.0.1:0", "--threads", "1"),
        *("--model", str(model), "--data-dir", str(house.folder / "edge"), "--device", "cpu"),
        *("--orchestrator", door.address, "--outbox-every-s", "0.1"),
    )
    address = await process.listening()
    return process, AsyncUnderpaint(edge=address, orchestrator=door.address, pauses_s=())


async def draft(client: AsyncUnderpaint, seed: int) -> InitImage:
    (pair,) = [pair async for pair in client.make_drafts(DraftRequest(prompt="a cat", seed=seed))]
    return InitImage(draft=pair[0], picture=pair[1])


async def test_18_cut_off_drafts_go_on_and_a_promotion_waits_and_is_sent_once(
    house: House, door: Proxy, tmp_path: Path
) -> None:
    """It says that it waits, outlives a kill of the node, and is quoted anew when it is sent.

    Prices have risen meanwhile, so it asks; with consent it is sent, and its acknowledgement
    is lost, so it is tried again: one promotion, at the new price.
    """
    model = tmp_path / "tiny"
    await asyncio.to_thread(make_sd().save_pretrained, model)
    (model / "underpaint.json").write_text(json.dumps(CARD))
    (model / "vocabulary.json").write_text(json.dumps({"things": ["cat", "dog"]}))
    orchestrator = await house.start()
    door.target = orchestrator.client.address
    node, client = await start_edge(house, model, door)
    chosen = await draft(client, seed=1)
    quote = await client.quote(chosen, POLISH)

    door.cut()
    await draft(client, seed=2)
    with pytest.raises(Unavailable):
        await client.promote(chosen, POLISH, quote_id=quote.id, promotion_id="promotion-1")
    most = quote.max_usd_micros
    await client.keep_promotion(
        chosen, POLISH, promotion_id="promotion-1", accepted_usd_micros=most
    )

    async def waits() -> OutboxItem | None:
        (item,) = await client.outbox()
        return item if "out of reach" in item.reason else None

    held = await until_told(waits, "it says what it waits for")
    assert held
    assert held.state is OutboxState.HELD
    node.kill()
    await client.close()
    orchestrator.kill()
    prices = (PRICES).read_text()
    dearer = tmp_path / "prices.yaml"
    dearer.write_text(prices.replace("micros: 695", "micros: 700").replace("2026-11", "2026-12"))
    orchestrator = await house.start("--prices", str(dearer))
    door.target = orchestrator.client.address
    node, client = await start_edge(house, model, door)
    assert await until_told(waits, "it still waits")
    await draft(client, seed=3)
    assert house.store.zcard("{underpaint}:promotions") == 0

    door.heal()

    async def asks() -> OutboxItem | None:
        (item,) = await client.outbox()
        return item if item.state is OutboxState.ASKS else None

    asking = await until_told(asks, "it asks")
    assert asking
    assert asking.quoted_usd_micros > most
    lost = door.lose_reply(b"promotion-1", skip=1)  # it is looked for before it is sent
    sending = asyncio.create_task(
        client.send_outbox("promotion-1", accepted_usd_micros=AT_ANY_PRICE)
    )
    await until(lambda: house.field("promotion-1", "state"), "it has arrived")
    lost.reset()
    await sending

    async def sent() -> bool:
        return await client.outbox() == []

    await until_told(sent, "the outbox is empty")
    house.acknowledged.add("promotion-1")
    assert await house.ended("promotion-1") == b"settled"
    promotion = await client.get_promotion("promotion-1")
    assert promotion.quote.max_usd_micros > most
    assert promotion.quote.id != quote.id
    assert house.orders.wrote("began") == 1
    await client.close()
    await check_the_ledger(house)
