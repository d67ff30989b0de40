"""What fails for good is kept with its reason, until it is retried by hand."""

from __future__ import annotations

import pytest
from underpaint.contract.promotion import Promotion, PromotionState
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.promotions.archive import Archive, Archivist
from underpaint.orchestrator.promotions.dead_letters import retry_id
from underpaint.orchestrator.promotions.quoting import content_of

from tests.conformance.implementations import Store
from tests.conformance.steps import NOON, promote, take_one
from tests.unit.orchestrator.samples import OUTCOME, open_quote, promotion_request


async def fail(store: Store, promotion_id: str) -> Promotion:
    await promote(store, promotion_id, 100)
    return await store.release(await take_one(store), "given up after 3 attempts", dead=True)


async def retry(store: Store, promotion_id: str) -> Promotion:
    """What a retry tells the store."""
    again = promotion_request(retry_of=promotion_id)
    quote = open_quote(again, 120, f"q-again-{promotion_id}")
    await store.keep_quote(quote, 10.0**8)
    return await store.promote(retry_id(promotion_id), content_of(again), again, quote, 10.0**8)


async def dead(store: Store, size: int = 50, organisation: str = "") -> list[str]:
    found: list[str] = []
    token = ""
    while True:
        page = await store.dead(size, token, organisation)
        found += [each.id for each in page.promotions]
        token = page.next_token
        if not token:
            return found


async def test_only_what_nobody_wanted_to_end_is_dead(wealthy: Store) -> None:
    await fail(wealthy, "failed-001")
    await promote(wealthy, "cancelled-001", 100)
    await wealthy.cancel("cancelled-001")
    await promote(wealthy, "settled-001", 100)
    lease = await take_one(wealthy)
    await wealthy.record(lease, OUTCOME)
    await wealthy.settle(lease, 40, 360)
    await promote(wealthy, "cancelled-002", 100)
    lease = await take_one(wealthy)
    await wealthy.cancel("cancelled-002")
    await wealthy.release(lease, "the engine broke before it notified of it", dead=True)
    assert await dead(wealthy) == ["failed-001"]
    one = await wealthy.get("failed-001")
    assert (one.dead, one.attempts, one.reason) == (True, 1, "given up after 3 attempts")
    assert not (await wealthy.get("cancelled-001")).dead


async def test_what_expires_is_dead_and_says_what_went_wrong_last(wealthy: Store) -> None:
    await promote(wealthy, "expired-001", 100, reservation_s=60)
    await wealthy.retry(await take_one(wealthy), 7, "the cloud is out of reach", counts=False)
    events = await wealthy.events("expired-001", "", 99)
    assert events[-1].message == "the cloud is out of reach; trying again in 7 s"
    await promote(wealthy, "expired-002", 100, reservation_s=60)
    await wealthy.turn(NOON + 61)
    assert await wealthy.expire_due(10) == 2
    assert await dead(wealthy) == ["expired-002", "expired-001"]
    assert [(await wealthy.get(id_)).reason for id_ in await dead(wealthy)] == [
        "it was not finished in its time",
        "it was not finished in its time; last: the cloud is out of reach",
    ]


async def test_a_retry_is_another_promotion_and_the_dead_one_names_it(wealthy: Store) -> None:
    for number in range(5):
        await fail(wealthy, f"failed-{number:03d}")
    every = [f"failed-{number:03d}" for number in reversed(range(5))]
    for size in (1, 2, 5, 50):
        assert await dead(wealthy, size) == every
    new = await retry(wealthy, "failed-002")
    assert (new.state, new.quote.max_usd_micros) == (PromotionState.RESERVED, 120)
    assert new.promotion.retry_of == "failed-002"
    assert (await wealthy.get("failed-002")).retried_as == new.id
    assert await dead(wealthy) == [each for each in every if each != "failed-002"]
    assert await retry(wealthy, "failed-002") == new
    assert [(b.reserved_usd_micros, b.spent_usd_micros) for b in await wealthy.budgets()] == [
        (120, 0)
    ]
    await wealthy.release(await take_one(wealthy), "again", dead=True)
    assert (await dead(wealthy))[0] == new.id


async def test_the_dead_are_listed_and_retried_from_the_archive(
    wealthy: Store, artifacts: Artifacts
) -> None:
    before = await fail(wealthy, "failed-001")
    await Archivist(store=wealthy, archive=Archive(artifacts), kept_s=0).archive_all()
    assert (await wealthy.dead(5, "")).promotions == (before,)
    await retry(wealthy, "failed-001")
    assert await dead(wealthy) == []


@pytest.mark.parametrize("size", [1, 2, 50])
async def test_an_organisation_s_dead_are_listed_without_a_word_of_others(
    wealthy: Store, artifacts: Artifacts, size: int
) -> None:
    for promotion_id in ("acme/failed-1", "rival/failed-1", "acme/failed-2", "acmes/failed-1"):
        await fail(wealthy, promotion_id)
    await Archivist(store=wealthy, archive=Archive(artifacts), kept_s=0).archive_all()
    await fail(wealthy, "acme/failed-3")
    assert await dead(wealthy, size, "acme") == [f"acme/failed-{n}" for n in (3, 2, 1)]
    assert await dead(wealthy, size, "acmes") == ["acmes/failed-1"]
    assert (await wealthy.dead(size, "", "nobody")).next_token == ""
    await retry(wealthy, "acme/failed-2")
    assert await dead(wealthy, size, "acme") == ["acme/failed-3", "acme/failed-1"]
    assert len(await dead(wealthy, size)) == 4
