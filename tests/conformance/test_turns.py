"""Who is taken next: interactive before batch, teams in turn, and nobody starves."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from underpaint.contract.promotion import Account, Priority, Promotion, PromotionState
from underpaint.orchestrator.promotions.quoting import content_of
from underpaint.orchestrator.promotions.store import BATCH_TURN

from tests.conformance.implementations import IMPLEMENTATIONS, NEVER_LAPSES_S, Place, Store
from tests.conformance.steps import NOON
from tests.unit.orchestrator.samples import open_quote, promotion_request

CATALOGUE, ARTIST = Account(team="catalogue"), Account(team="artists", user="ana")


async def promote(
    store: Store,
    promotion_id: str,
    account: Account = CATALOGUE,
    priority: Priority = Priority.INTERACTIVE,
    reservation_s: float = 60,
    engine: str = "full",
) -> Promotion:
    request = promotion_request(account=account, priority=priority, engine=engine)
    quote = open_quote(request, 1, f"q-{promotion_id}")
    quote = replace(quote, quote=replace(quote.quote, engine=engine), party=account.path)
    await store.keep_quote(quote, 60)
    return await store.promote(promotion_id, content_of(request), request, quote, reservation_s)


async def taken(store: Store, most: int = 1_000) -> list[str]:
    return [lease.promotion.id for lease in await store.take("test", most)]


async def test_a_catalogue_does_not_hold_up_an_artist_of_another_team(
    wealthy: Store,
) -> None:
    for number in range(40):
        await promote(wealthy, f"catalogue-{number:03d}")
    await promote(wealthy, "artist-one")
    assert await taken(wealthy, 2) == ["catalogue-000", "catalogue-001"]
    await promote(wealthy, "artist-00", ARTIST)
    await promote(wealthy, "artist-01", ARTIST)
    await promote(wealthy, "private-00", Account(user="ben"))
    assert await taken(wealthy, 6) == [
        "catalogue-002",
        "artist-00",
        "private-00",
        "catalogue-003",
        "artist-01",
        "catalogue-004",
    ]


async def test_interactive_goes_first_but_every_fifth_turn_is_batchs(
    wealthy: Store,
) -> None:
    for number in range(12):
        await promote(wealthy, f"batch-{number:02d}", priority=Priority.BATCH)
    for number in range(10):
        await promote(wealthy, f"interactive-{number:02d}", ARTIST)
    order = await taken(wealthy)
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
    wealthy: Store,
) -> None:
    for number in range(8):
        await promote(wealthy, f"batch-{number}-id", priority=Priority.BATCH)
        await promote(wealthy, f"interactive-{number}-id", ARTIST)
    order = [each for _ in range(10) for each in await taken(wealthy, 1)]
    assert sum(each.startswith("batch") for each in order) == 10 // BATCH_TURN


async def test_batch_teams_take_turns_too(wealthy: Store) -> None:
    for number in range(3):
        await promote(wealthy, f"catalogue-{number}", CATALOGUE, Priority.BATCH)
    await promote(wealthy, "artist-0", ARTIST, Priority.BATCH)
    assert await taken(wealthy) == ["catalogue-0", "artist-0", "catalogue-1", "catalogue-2"]


async def test_a_retry_keeps_its_place(wealthy: Store) -> None:
    for number in range(3):
        await promote(wealthy, f"promotion-{number}")
    (first,) = await wealthy.take("test", 1)
    await wealthy.retry(first, 0, "busy", counts=False)
    assert await taken(wealthy) == ["promotion-0", "promotion-1", "promotion-2"]


async def test_an_engine_that_refused_is_left_alone_and_nobody_loses_a_turn(
    wealthy: Store,
) -> None:
    for number in range(3):
        await promote(wealthy, f"catalogue-{number}")
    await promote(wealthy, "artist-0", ARTIST)
    accepted, refused = await wealthy.take("one", 2)
    assert refused.promotion.id == "artist-0"
    await wealthy.retry(refused, 15, "busy", counts=False)
    assert await taken(wealthy) == []  # not by another worker either
    await promote(wealthy, "other-0", engine="other")
    assert await taken(wealthy) == ["other-0"]
    await wealthy.turn(NOON + 15)
    # Not behind the catalogue, which came back into the ring while the artist was being refused.
    assert await taken(wealthy) == ["artist-0", "catalogue-1", "catalogue-2"]
    assert (await wealthy.get(accepted.promotion.id)).state is PromotionState.RUNNING


async def test_one_who_reaches_no_engine_leaves_the_work_to_others_at_once(
    wealthy: Store,
) -> None:
    await promote(wealthy, "promotion-0")
    (lease,) = await wealthy.take("cut off", 1)
    await wealthy.retry(lease, 0, "out of reach", counts=False)
    (lease,) = await wealthy.take("another", 1)
    assert (lease.promotion.attempts, lease.refusals) == (1, 1)


async def test_engines_take_turns(wealthy: Store) -> None:
    for number in range(3):
        await promote(wealthy, f"full-{number}-id")
        await promote(wealthy, f"other-{number}-id", engine="other")
    order = await taken(wealthy)
    assert [each.partition("-")[0] for each in order] == ["full", "other"] * 3


async def test_what_is_cancelled_or_expired_takes_no_turn(wealthy: Store) -> None:
    await promote(wealthy, "cancelled-0")
    await promote(wealthy, "expired-0", reservation_s=30)
    await promote(wealthy, "artist-0", ARTIST)
    await promote(wealthy, "cancelled-1", Account(team="third"))
    await wealthy.cancel("cancelled-0")
    await wealthy.cancel("cancelled-1")
    await wealthy.turn(NOON + 30)
    assert await wealthy.expire_due(10) == 1
    await promote(wealthy, "catalogue-0")
    assert await taken(wealthy) == ["artist-0", "catalogue-0"]
    assert await taken(wealthy) == []


async def test_the_record_says_its_priority(wealthy: Store) -> None:
    promoted = await promote(wealthy, "promotion-0", priority=Priority.BATCH)
    assert promoted.promotion.priority is Priority.BATCH
    assert (await wealthy.get("promotion-0")).promotion.priority is Priority.BATCH


@pytest.mark.parametrize("seed", range(4))
async def test_every_implementation_takes_in_the_same_order(redis_url: str, seed: int) -> None:
    orders = []
    for implementation in IMPLEMENTATIONS:
        store = implementation.begin(Place(redis_url=redis_url, lease_s=NEVER_LAPSES_S))
        await store.turn(0)
        await store.open()
        await store.set_budget("organisation:default", 10**9)
        orders.append(await _random_life(store, random.Random(seed)))
        await store.close()
    assert all(order == orders[0] for order in orders)
    assert len(orders[0]) > 100


async def _random_life(store: Store, chance: random.Random) -> list[str]:
    """Promotes, takes, retries, cancels and settles; answers with what was taken, in order."""
    order: list[str] = []
    leases: list[Any] = []
    accounts = [Account(team=team) for team in "abcd"]
    for second in range(300):
        await store.turn(second)
        what = chance.choice(["promote", "promote", "take", "retry", "cancel", "release"])
        if what == "promote":
            account, priority = chance.choice(accounts), chance.choice(list(Priority))
            engine = chance.choice(["full", "full", "other"])
            await promote(store, f"promotion-{second}", account, priority, 10**6, engine)
        elif what == "take":
            found = await store.take("test", chance.randint(1, 4))
            leases += found
            order += [lease.promotion.id for lease in found]
        elif what == "cancel" and order:
            await store.cancel(chance.choice(order))
        elif leases:
            lease = leases.pop(chance.randrange(len(leases)))
            if what == "retry":
                counts = chance.choice([True, False])
                await store.retry(lease, chance.choice([0, 5]), "again", counts=counts)
            elif (await store.get(lease.promotion.id)).state is PromotionState.RUNNING:
                await store.release(lease, "enough")
    await store.turn(1_000)
    return order + [lease.promotion.id for lease in await store.take("test", 1_000)]
