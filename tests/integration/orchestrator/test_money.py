"""The SDK's calls about money against a whole orchestrator."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
from redis.asyncio import Redis
from underpaint.contract.accounting import Period
from underpaint.contract.errors import BudgetExceeded, InvalidRequest, LedgerFrozen
from underpaint.contract.status import CODES
from underpaint.orchestrator.settings import Settings
from underpaint.sdk.client import AsyncUnderpaint

from tests.integration.orchestrator.client import Client

CHARGED = 1_000 + 1_738  # a picture and ceil(2.5 x 695), from the shipped prices
QUOTED = 1_000 + 120 * 695


@pytest.fixture
async def sdk(client: Client) -> AsyncIterator[AsyncUnderpaint]:
    async with AsyncUnderpaint(orchestrator=client.address) as asked:
        yield asked


async def test_limits_by_period_through_the_door(client: Client, sdk: AsyncUnderpaint) -> None:
    day = await sdk.set_budget("project:default", QUOTED, period=Period.DAY)
    assert (day.period, day.limit_usd_micros, day.soft) == (Period.DAY, QUOTED, False)
    await sdk.set_budget("user:default", 1, period=Period.MONTH, soft=True)
    quote = await client.quote()
    warning, cropped = quote.warnings
    assert warning.startswith(
        "user:default/default/default/default goes $0.084399 over its soft limit of"
    )
    promoted = await client.promote("promotion-1", quote_id=quote.id)
    assert "4:3 (128 x 96), the result 1:1 (1024 x 1024)" in cropped
    assert promoted.warnings == (warning,)
    with pytest.raises(BudgetExceeded, match=r"project:default/default/default has .* a day"):
        await client.promote("promotion-2")
    await client.finished("promotion-1")
    assert [(b.scope, b.period, b.spent_usd_micros) for b in await sdk.budgets()] == [
        ("organisation:default", Period.CAMPAIGN, CHARGED),
        ("project:default/default/default", Period.DAY, CHARGED),
        ("user:default/default/default/default", Period.MONTH, CHARGED),
    ]
    await sdk.remove_budget("project:default", Period.DAY)
    await client.promote("promotion-2")
    await client.finished("promotion-2")
    for wrong in (
        {"period": Period.DAY, "from_day": "2026-11-01"},
        {"from_day": "2026-11-02", "until_day": "2026-11-01"},
        {"until_day": "tomorrow"},
    ):
        with pytest.raises(InvalidRequest):
            await sdk.set_budget("project:default", 5, **wrong)  # type: ignore[arg-type]


async def test_spend_by_dimensions_beside_all_cloud(client: Client, sdk: AsyncUnderpaint) -> None:
    for number in (1, 2):
        await client.promote(f"promotion-{number}")
        await client.finished(f"promotion-{number}")
    (line,) = await sdk.spend(by=("team", "project", "model", "day"))
    assert line.key[:3] == ("default", "default", "stub-model")
    assert (line.promotions, line.charged_usd_micros) == (2, 2 * CHARGED)
    assert line.cloud_only_usd_micros == 2 * 9 * CHARGED  # eight drafts and the polish
    assert await sdk.spend(by=("user",), since_day="2999-01-01") == []
    assert await sdk.spend(by=("user",), since_day=line.key[3])
    assert await sdk.spend("project:other", by=("user",)) == []
    for wrong in (("colour",), ("team", "team")):
        with pytest.raises(InvalidRequest, match="cannot be grouped by"):
            await sdk.spend(by=wrong)


async def test_verify_freeze_thaw_and_read(
    client: Client, sdk: AsyncUnderpaint, settings: Settings
) -> None:
    await client.promote("promotion-1")
    await client.finished("promotion-1")
    good = await sdk.verify_ledger()
    assert (good.mismatches, good.frozen, good.number) == ((), "", 3)

    async with Redis.from_url(settings.redis_url) as redis:
        await redis.hincrby("{underpaint}:scope:team:default/default", "spent", -1)
    quote = await client.quote()
    found = await sdk.verify_ledger()
    assert len(found.mismatches) == 1
    assert found.mismatches[0].startswith("team:default/default in all")
    with pytest.raises(
        LedgerFrozen, match="an operator can look into it with `underpaint ledger verify`"
    ):
        await client.promote("promotion-2", quote_id=quote.id)
    assert CODES[LedgerFrozen] is grpc.StatusCode.FAILED_PRECONDITION
    with pytest.raises(InvalidRequest, match="say why"):
        await sdk.thaw_ledger("")
    assert await sdk.thaw_ledger("a test did it", rebuild=True) == found.frozen
    await client.promote("promotion-2", quote_id=quote.id)
    await client.finished("promotion-2")
    assert (await sdk.verify_ledger()).mismatches == ()

    entries = [entry async for entry in sdk.ledger_entries()]
    assert [entry.kind for entry in entries] == [
        "limit",
        "reserve",
        "settle",
        "freeze",
        "thaw",
        "reserve",
        "settle",
    ]
    assert entries[2].spent_usd_micros == CHARGED
    assert [entry async for entry in sdk.ledger_entries("2999-01-01")] == []
