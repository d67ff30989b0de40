"""Who is taken next: interactive before batch, teams in turn, and nobody starves."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from typing_extensions import override
from underpaint.contract.errors import EngineBusy
from underpaint.contract.promotion import Account, Priority, Promotion, PromotionState
from underpaint.orchestrator.app import run
from underpaint.orchestrator.promotions.quoting import content_of
from underpaint.orchestrator.promotions.store import BATCH_TURN, PromotionStore
from underpaint.orchestrator.settings import Settings

from tests.integration.orchestrator.client import Client, request
from tests.integration.orchestrator.clocked import ClockedRedis, clocked
from tests.integration.orchestrator.conftest import free_port
from tests.integration.orchestrator.stub_cloud import StubCloud
from tests.unit.orchestrator.samples import open_quote, promotion_request

CATALOGUE, ARTIST = Account(team="catalogue"), Account(team="artists", user="ana")


async def promote(
    ledger: PromotionStore,
    promotion_id: str,
    account: Account = CATALOGUE,
    priority: Priority = Priority.INTERACTIVE,
    reservation_s: float = 60,
    engine: str = "full",
) -> Promotion:
    request = promotion_request(account=account, priority=priority, engine=engine)
    quote = open_quote(request, 1, f"q-{promotion_id}")
    quote = replace(quote, quote=replace(quote.quote, engine=engine))
    await ledger.keep_quote(quote, 60)
    return await ledger.promote(promotion_id, content_of(request), request, quote, reservation_s)


async def taken(ledger: PromotionStore, most: int = 1_000) -> list[str]:
    return [lease.promotion.id for lease in await ledger.take("test", most)]


@pytest.fixture
async def funded(ledger: PromotionStore) -> PromotionStore:
    await ledger.set_budget("organisation:default", 10**9)
    return ledger


async def test_a_catalogue_does_not_hold_up_an_artist_of_another_team(
    funded: PromotionStore,
) -> None:
    for number in range(40):
        await promote(funded, f"catalogue-{number:03d}")
    await promote(funded, "artist-one")
    assert await taken(funded, 2) == ["catalogue-000", "catalogue-001"]
    await promote(funded, "artist-00", ARTIST)
    await promote(funded, "artist-01", ARTIST)
    await promote(funded, "private-00", Account(user="ben"))
    assert await taken(funded, 6) == [
        "catalogue-002",
        "artist-00",
        "private-00",
        "catalogue-003",
        "artist-01",
        "catalogue-004",
    ]


async def test_interactive_goes_first_but_every_fifth_turn_is_batchs(
    funded: PromotionStore,
) -> None:
    for number in range(12):
        await promote(funded, f"batch-{number:02d}", priority=Priority.BATCH)
    for number in range(10):
        await promote(funded, f"interactive-{number:02d}", ARTIST)
    order = await taken(funded)
    assert [each.partition("-")[0] for each in order[: 2 * BATCH_TURN]] == (
        ["interactive"] * (BATCH_TURN - 1) + ["batch"]
    ) * 2
    assert [each for each in order if each.startswith("i")] == [
        f"interactive-{number:02d}" for number in range(10)
    ]
    assert [each for each in order if each.startswith("b")] == [
        f"batch-{number:02d}" for number in range(12)
    ]


async def test_the_share_of_batch_does_not_depend_on_how_many_are_taken_at_once(
    funded: PromotionStore,
) -> None:
    for number in range(8):
        await promote(funded, f"batch-{number}-id", priority=Priority.BATCH)
        await promote(funded, f"interactive-{number}-id", ARTIST)
    order = [each for _ in range(10) for each in await taken(funded, 1)]
    assert sum(each.startswith("batch") for each in order) == 10 // BATCH_TURN


async def test_batch_teams_take_turns_too(funded: PromotionStore) -> None:
    for number in range(3):
        await promote(funded, f"catalogue-{number}", CATALOGUE, Priority.BATCH)
    await promote(funded, "artist-0", ARTIST, Priority.BATCH)
    assert await taken(funded) == ["catalogue-0", "artist-0", "catalogue-1", "catalogue-2"]


async def test_a_retry_keeps_its_place(funded: PromotionStore) -> None:
    for number in range(3):
        await promote(funded, f"promotion-{number}")
    (first,) = await funded.take("test", 1)
    await funded.retry(first, 0, "busy", counts=False)
    assert await taken(funded) == ["promotion-0", "promotion-1", "promotion-2"]


async def test_an_engine_that_refused_is_left_alone_and_nobody_loses_a_turn(
    funded: PromotionStore,
) -> None:
    for number in range(3):
        await promote(funded, f"catalogue-{number}")
    await promote(funded, "artist-0", ARTIST)
    accepted, refused = await funded.take("one", 2)
    assert refused.promotion.id == "artist-0"
    await funded.retry(refused, 0.15, "busy", counts=False)
    assert await taken(funded) == []  # not by another worker either
    await promote(funded, "other-0", engine="other")
    assert await taken(funded) == ["other-0"]
    await asyncio.sleep(0.2)
    # Not behind the catalogue, which came back into the ring while the artist was being refused.
    assert await taken(funded) == ["artist-0", "catalogue-1", "catalogue-2"]
    assert (await funded.get(accepted.promotion.id)).state is PromotionState.RUNNING


async def test_one_who_reaches_no_engine_leaves_the_work_to_others_at_once(
    funded: PromotionStore,
) -> None:
    await promote(funded, "promotion-0")
    (lease,) = await funded.take("cut off", 1)
    await funded.retry(lease, 0, "out of reach", counts=False)
    (lease,) = await funded.take("another", 1)
    assert (lease.promotion.attempts, lease.refusals) == (1, 1)


async def test_engines_take_turns(funded: PromotionStore) -> None:
    for number in range(3):
        await promote(funded, f"full-{number}-id")
        await promote(funded, f"other-{number}-id", engine="other")
    order = await taken(funded)
    assert [each.partition("-")[0] for each in order] == ["full", "other"] * 3


async def test_what_is_cancelled_or_expired_takes_no_turn(funded: PromotionStore) -> None:
    await promote(funded, "cancelled-0")
    await promote(funded, "expired-0", reservation_s=0.01)
    await promote(funded, "artist-0", ARTIST)
    await promote(funded, "cancelled-1", Account(team="third"))
    await funded.cancel("cancelled-0")
    await funded.cancel("cancelled-1")
    await asyncio.sleep(0.03)
    assert await funded.expire_due(10) == 1
    await promote(funded, "catalogue-0")
    assert await taken(funded) == ["artist-0", "catalogue-0"]
    assert await taken(funded) == []


async def test_the_record_says_its_priority(funded: PromotionStore) -> None:
    promoted = await promote(funded, "promotion-0", priority=Priority.BATCH)
    assert promoted.promotion.priority is Priority.BATCH
    assert (await funded.get("promotion-0")).promotion.priority is Priority.BATCH


@pytest.mark.parametrize(
    ("account", "party"),
    [
        (Account(), "organisation:default"),
        (Account(organisation="o", project="p"), "organisation:o"),
        (Account(organisation="o", user="u"), "user:u"),
        (Account(organisation="o", team="t", project="p", user="u"), "team:t"),
    ],
)
def test_turns_are_a_teams_else_a_users_else_an_organisations(account: Account, party: str) -> None:
    assert account.party == party


@pytest.mark.parametrize("seed", range(4))
async def test_both_ledgers_take_in_the_same_order(redis_url: str, seed: int) -> None:
    orders = []
    for kind in ("memory", "redis"):
        ledger: Any = clocked(kind, redis_url)
        await ledger.turn(0)
        await ledger.open()
        await ledger.set_budget("organisation:default", 10**9)
        orders.append(await _random_life(ledger, random.Random(seed)))
        await ledger.close()
    assert orders[0] == orders[1]
    assert len(orders[0]) > 100


async def _random_life(ledger: Any, chance: random.Random) -> list[str]:
    """Promotes, takes, retries, cancels and settles; answers with what was taken, in order."""
    order: list[str] = []
    leases: list[Any] = []
    accounts = [Account(team=team) for team in "abcd"]
    for second in range(300):
        await ledger.turn(second)
        what = chance.choice(["promote", "promote", "take", "retry", "cancel", "release"])
        if what == "promote":
            account, priority = chance.choice(accounts), chance.choice(list(Priority))
            engine = chance.choice(["full", "full", "other"])
            await promote(ledger, f"promotion-{second}", account, priority, 10**6, engine)
        elif what == "take":
            found = await ledger.take("test", chance.randint(1, 4))
            leases += found
            order += [lease.promotion.id for lease in found]
        elif what == "cancel" and order:
            await ledger.cancel(chance.choice(order))
        elif leases:
            lease = leases.pop(chance.randrange(len(leases)))
            if what == "retry":
                counts = chance.choice([True, False])
                await ledger.retry(lease, chance.choice([0, 5]), "again", counts=counts)
            elif (await ledger.get(lease.promotion.id)).state is PromotionState.RUNNING:
                await ledger.release(lease, "enough")
    await ledger.turn(1_000)
    return order + [lease.promotion.id for lease in await ledger.take("test", 1_000)]


async def test_a_take_does_the_same_work_however_many_wait(redis_url: str) -> None:
    """Counted in commands of the server, none of which is a scan."""
    costs = []
    for waiting in (20, 1_500):
        ledger = clocked("redis", redis_url)
        assert isinstance(ledger, ClockedRedis)
        await ledger.turn(0)
        await ledger.open()
        await ledger.set_budget("organisation:default", 10**9)
        await asyncio.gather(
            *(promote(ledger, f"promotion-{number:05d}") for number in range(waiting))
        )
        await ledger.take("test", 1)
        before = await _commands(ledger)
        (lease,) = await ledger.take("test", 1)
        after = await _commands(ledger)
        assert lease.promotion.state is PromotionState.RUNNING
        costs.append({name: after[name] - before.get(name, 0) for name in after})
        await ledger.close()
    assert costs[0] == costs[1]
    assert not {"cmdstat_scan", "cmdstat_keys", "cmdstat_smembers"} & {
        name for name, calls in costs[1].items() if calls
    }


async def _commands(ledger: ClockedRedis) -> dict[str, int]:
    told = await ledger._redis.info("commandstats")
    return {name: values["calls"] for name, values in told.items() if name != "cmdstat_info"}


# A whole orchestrator


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
