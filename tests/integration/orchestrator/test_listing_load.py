"""Long listings are told without holding the event loop: others are served meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from underpaint.orchestrator.app import run
from underpaint.orchestrator.promotions.quoting import content_of
from underpaint.orchestrator.settings import Settings
from underpaint.orchestrator.storage.redis.store import RedisStore
from underpaint.v1 import orchestrator_pb2 as pb

from tests.integration.orchestrator.client import PATIENCE_S, Client
from tests.unit.orchestrator.samples import GENERATION, open_quote, promotion_request
from tests.watchdog import assert_loop_is_free

PROMOTIONS = 1_000  # as many as a page may have
USERS = 10_000


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Client]:
    """An orchestrator that only takes orders, in this loop."""
    stop = asyncio.Event()
    only_takes = settings.model_copy(update={"concurrency": 0})
    running = asyncio.create_task(run(only_takes, stop))
    client = Client(settings.listen)
    await client.wait_until_served(running)
    yield client
    await client.close()
    stop.set()
    await running


async def test_a_page_of_a_thousand_promotions_leaves_the_loop_to_others(
    settings: Settings, clean_redis: str
) -> None:
    ledger = RedisStore(clean_redis, lease_s=1)
    await ledger.open()
    await ledger.set_budget("organisation:default", 10**9)
    request = promotion_request(
        request=replace(GENERATION, prompt="word " * 190, negative_prompt="word " * 190)
    )
    for number in range(PROMOTIONS + 1):
        quote = open_quote(request, 1_000, f"q-{number}")
        await ledger.keep_quote(quote, 600)
        await ledger.promote(
            f"default/promotion-{number}", content_of(request), request, quote, 600
        )
    await ledger.close()
    async with serving(settings) as client:
        asked = pb.ListPromotionsRequest(page_size=PROMOTIONS)
        page = await assert_loop_is_free(
            lambda: client.stub.ListPromotions(asked, timeout=PATIENCE_S)
        )
        assert len(page.promotions) == PROMOTIONS
        asked.page_token = page.next_page_token
        rest = await client.stub.ListPromotions(asked, timeout=PATIENCE_S)
        assert [each.id for each in rest.promotions] == ["promotion-0"]


async def test_thousands_of_budgets_leave_the_loop_to_others(
    settings: Settings, clean_redis: str
) -> None:
    ledger = RedisStore(clean_redis, lease_s=1)
    await ledger.open()
    for number in range(USERS):
        await ledger.set_budget(f"user:default/default/default/u{number}", 100)
    await ledger.close()
    async with serving(settings) as client:
        listing = await assert_loop_is_free(
            lambda: client.stub.ListBudgets(pb.ListBudgetsRequest(), timeout=PATIENCE_S)
        )
        assert len(listing.budgets) == USERS
