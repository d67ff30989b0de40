"""A picture that is not delivered, in a whole orchestrator: once, told, and charged or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from underpaint.contract.errors import ResultFlagged, ResultUnusable, ResultWithheld
from underpaint.contract.promotion import Promotion, PromotionState, Withheld
from underpaint.orchestrator.app import run
from underpaint.orchestrator.promotions.quoting import CHARGES_FLAGGED
from underpaint.orchestrator.settings import Settings
from underpaint.sdk.client import AsyncUnderpaint

from tests.integration.orchestrator.client import Client
from tests.integration.orchestrator.stub_cloud import StubCloud
from tests.unit.orchestrator.samples import GENERATION

NSFW = ResultFlagged("the safety checker flagged it", model="sd-x", gpu_seconds=2.5)
BLACK = ResultUnusable("the model x made a picture of one colour only", gpu_seconds=2.5)
CHARGE = "rules:\n  - {name: polish, route: {engine: full, flagged: charge}}\n"
CHARGED = 1_000 + 1_738  # a picture and ceil(2.5 x 695), from the shipped prices


@pytest.fixture
async def charging(settings: Settings, tmp_path: Path) -> AsyncIterator[Client]:
    """A client of an orchestrator whose policy charges what is flagged."""
    (tmp_path / "charge.yaml").write_text(CHARGE)
    stop = asyncio.Event()
    own = settings.model_copy(update={"policy": tmp_path / "charge.yaml"})
    running = asyncio.create_task(run(own, stop))
    caller = Client(settings.listen)
    await caller.wait_until_served(running)
    yield caller
    await caller.close()
    stop.set()
    await running


async def verified(client: Client) -> None:
    async with AsyncUnderpaint(orchestrator=client.address) as sdk:
        assert (await sdk.verify_ledger()).mismatches == ()


async def withheld(client: Client, cloud: StubCloud, error: ResultWithheld) -> Promotion:
    cloud.script = [error]
    await client.promote("promotion-1")
    return await client.finished("promotion-1")


@pytest.mark.parametrize(
    ("error", "why"), [(NSFW, Withheld.FLAGGED), (BLACK, Withheld.UNUSABLE)], ids=str
)
async def test_a_withheld_picture_is_made_once_told_and_free(
    client: Client, cloud: StubCloud, error: ResultWithheld, why: Withheld
) -> None:
    """It was made three times over: the same seed gives the same picture."""
    ended = await withheld(client, cloud, error)
    assert (ended.state, ended.withheld, ended.dead) == (PromotionState.RELEASED, why, True)
    assert (ended.reason, ended.attempts, len(cloud.calls)) == (str(error), 1, 1)
    assert (ended.artifact, ended.receipt) == (None, None)
    assert await client.budgets() == {"organisation:default": (0, 0)}
    await verified(client)


async def test_a_retry_of_a_withheld_picture_takes_the_next_seed(
    client: Client, cloud: StubCloud
) -> None:
    await withheld(client, cloud, NSFW)
    quote = await client.quote_retry("promotion-1")
    again = await client.retry("promotion-1", quote.id)
    finished = await client.finished(again.id)
    assert finished.state is PromotionState.SETTLED
    assert [call.request.seed for call in cloud.calls] == [GENERATION.seed, GENERATION.seed + 1]


async def test_a_policy_can_charge_the_time_until_the_flag(
    charging: Client, cloud: StubCloud
) -> None:
    quote = await charging.quote()
    assert quote.charges_flagged
    assert CHARGES_FLAGGED in quote.warnings
    ended = await withheld(charging, cloud, NSFW)
    assert (ended.state, ended.withheld) == (PromotionState.SETTLED, Withheld.FLAGGED)
    assert ended.receipt
    assert (ended.receipt.charged_usd_micros, ended.receipt.gpu_seconds) == (CHARGED, 2.5)
    assert (ended.artifact, len(cloud.calls)) == (None, 1)
    assert ended.reason == "the safety checker flagged it; $0.002738 is charged"
    assert await charging.budgets() == {"organisation:default": (0, CHARGED)}
    await verified(charging)
    async with AsyncUnderpaint(orchestrator=charging.address) as sdk:
        assert [(row.key, row.charged_usd_micros) for row in await sdk.spend(by=["model"])] == [
            (("sd-x",), CHARGED)
        ]


async def test_what_is_charged_stays_within_the_reservation(
    charging: Client, cloud: StubCloud
) -> None:
    endless = ResultFlagged("flagged", model="sd-x", gpu_seconds=10.0**6)
    ended = await withheld(charging, cloud, endless)
    assert ended.receipt
    assert ended.receipt.charged_usd_micros == ended.quote.max_usd_micros
    await verified(charging)


@pytest.mark.parametrize("gpu_seconds", [float("nan"), -1.0])
async def test_what_was_not_measured_is_not_charged(
    charging: Client, cloud: StubCloud, gpu_seconds: float
) -> None:
    ended = await withheld(charging, cloud, ResultFlagged("flagged", gpu_seconds=gpu_seconds))
    assert (ended.state, ended.withheld) == (PromotionState.RELEASED, Withheld.FLAGGED)
    assert ended.reason.startswith("flagged (not charged: the engine reported ")
    assert await charging.budgets() == {"organisation:default": (0, 0)}


async def test_an_unusable_picture_is_never_charged(charging: Client, cloud: StubCloud) -> None:
    ended = await withheld(charging, cloud, BLACK)
    assert (ended.state, ended.withheld) == (PromotionState.RELEASED, Withheld.UNUSABLE)
    assert await charging.budgets() == {"organisation:default": (0, 0)}
