"""Quotes, promotions and their events."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from underpaint.contract.errors import PromotionConflict, PromotionNotFound, QuoteExpired
from underpaint.contract.generation import Progress
from underpaint.contract.promotion import Account, Approval, Promotion, PromotionState
from underpaint.orchestrator.ledger.spend import by_scope
from underpaint.orchestrator.promotions.approvals import Approvals
from underpaint.orchestrator.promotions.archive import Archivist
from underpaint.orchestrator.promotions.quoting import content_of
from underpaint.orchestrator.promotions.store import WORK, LeaseLost

from tests.conformance.implementations import Capability, Implementation, Place, Store
from tests.conformance.steps import NOON, balance, promote, take_one
from tests.unit.orchestrator.samples import OUTCOME, open_quote, promotion_request

ALL_SCOPES = Account().scopes
LEAD = Approval(role="lead", within_s=3_600)


async def moved(store: Store) -> list[tuple[str, int, int]]:
    """Kind, reserved and spent of every movement of money."""
    return [
        (entry.kind, entry.reserved_usd_micros, entry.spent_usd_micros)
        for entry in await store.entries("", 100)
        if entry.kind != "limit"
    ]


async def test_reserve_settle_and_receipt(funded: Store) -> None:
    promoted = await promote(funded, "promotion-1")
    assert promoted.state is PromotionState.RESERVED
    assert await balance(funded) == (1_000, 0)
    lease = await take_one(funded)
    assert (lease.promotion.state, lease.promotion.attempts) == (PromotionState.RUNNING, 1)
    await funded.record(lease, OUTCOME)
    settled = await funded.settle(lease, 700, 6_300)
    assert settled.state is PromotionState.SETTLED
    assert settled.artifact == OUTCOME.digest
    assert settled.warnings == OUTCOME.warnings
    assert settled.receipt
    assert settled.receipt.charged_usd_micros == 700
    assert settled.receipt.quoted_usd_micros == 1_000
    assert settled.receipt.gpu_seconds == 2.5
    assert settled.lineage
    assert (settled.lineage.draft_id, settled.lineage.model) == ("draft-1", "stub")
    assert await funded.get("promotion-1") == settled
    assert await balance(funded) == (0, 700)
    assert await moved(funded) == [("reserve", 1_000, 0), ("settle", -1_000, 700)]
    (cell,) = await funded.spend("")
    assert (cell.account, cell.model, cell.promotions) == (Account(), "stub", 1)
    assert (cell.charged_usd_micros, cell.cloud_only_usd_micros) == (700, 6_300)
    assert [line.scope for line in by_scope([cell])] == sorted(ALL_SCOPES)
    with pytest.raises(LeaseLost):
        await funded.settle(lease, 700, 6_300)
    assert await funded.take("test", 10) == []


async def test_a_replay_returns_what_is_stored(funded: Store) -> None:
    first = await promote(funded, "promotion-1", 10_000)
    assert await promote(funded, "promotion-1", 10_000) == first
    request = promotion_request()
    gone = open_quote(request, 10_000, "q-gone")
    assert await funded.promote("promotion-1", content_of(request), request, gone, 60) == first
    assert await balance(funded) == (10_000, 0)
    assert len(await funded.take("test", 10)) == 1


async def test_the_same_id_with_other_content_is_a_conflict(funded: Store) -> None:
    await promote(funded, "promotion-1")
    with pytest.raises(PromotionConflict, match="choose a new id"):
        await promote(funded, "promotion-1", account=Account(user="other"))
    assert await balance(funded) == (1_000, 0)


async def test_a_quote_must_be_kept_and_for_the_content(funded: Store) -> None:
    request = promotion_request()
    quote = open_quote(request, 1_000)
    with pytest.raises(QuoteExpired):
        await funded.promote("promotion-1", content_of(request), request, quote, 60)
    await funded.keep_quote(quote, 60)
    other = promotion_request(draft_count=2)
    with pytest.raises(QuoteExpired):
        await funded.promote("promotion-1", content_of(other), other, quote, 60)
    brief = open_quote(request, 1_000, "q-brief")
    await funded.keep_quote(brief, 10)
    await funded.turn(NOON + 10)
    assert await funded.find_quote("q-brief") is None
    assert (await funded.find_quote("q-1")) == quote
    assert await balance(funded) == (0, 0)


async def test_cancel_queued_running_and_finished(funded: Store) -> None:
    await promote(funded, "queued-1")
    assert (await funded.cancel("queued-1")).state is PromotionState.RELEASED
    assert (await funded.cancel("queued-1")).reason == "cancelled"
    assert await funded.take("test", 10) == []
    assert await balance(funded) == (0, 0)

    await promote(funded, "running-1")
    lease = await take_one(funded)
    assert not await funded.cancelled(lease)
    assert (await funded.cancel("running-1")).state is PromotionState.RUNNING
    assert await funded.cancelled(lease)
    assert await funded.renew(lease)
    await funded.release(lease, "cancelled")
    assert await balance(funded) == (0, 0)

    await promote(funded, "finished-1")
    lease = await take_one(funded)
    await funded.record(lease, OUTCOME)
    settled = await funded.settle(lease, 5, 45)
    assert await funded.cancel("finished-1") == settled
    assert await balance(funded) == (0, 5)
    with pytest.raises(PromotionNotFound):
        await funded.cancel("unknown-1")
    assert [kind for kind, _, _ in await moved(funded)] == ["reserve", "release"] * 2 + [
        "reserve",
        "settle",
    ]


async def test_events_are_in_order_and_resumable(funded: Store) -> None:
    await promote(funded, "promotion-1")
    lease = await take_one(funded)
    for step in (1, 2):
        await funded.progress(lease, Progress(step=step, steps=2, stage="denoising", preview=b"\0"))
    await funded.record(lease, OUTCOME)
    await funded.settle(lease, 1_000, 0)
    events = await funded.events("promotion-1", "", 100)
    assert [event.state.value for event in events] == [
        "reserved",
        "running",
        "running",
        "running",
        "settled",
    ]
    assert (events[3].step, events[3].steps, events[3].preview) == (2, 2, b"\0")
    assert events[-1].message == "finished; $0.001 is charged"
    for index, event in enumerate(events):
        assert await funded.events("promotion-1", event.id, 100) == events[index + 1 :]
    assert await funded.events("promotion-1", "", 2) == events[:2]
    with pytest.raises(PromotionNotFound):
        await funded.events("unknown-1", "", 2)


async def test_news_wake_those_who_listen(funded: Store) -> None:
    with funded.listen(WORK) as work, funded.listen("promotion-1") as news:
        await promote(funded, "promotion-1")
        async with asyncio.timeout(10):
            await work.wait()
            await news.wait()


async def test_opening_or_closing_again_does_no_harm(funded: Store) -> None:
    await promote(funded, "promotion-1")
    await funded.open()
    assert (await funded.page(9, "")).promotions == (await funded.get("promotion-1"),)
    with funded.listen("promotion-1") as news:
        await funded.cancel("promotion-1")
        async with asyncio.timeout(10):
            await news.wait()
    await funded.close()
    await funded.close()


async def test_pages_are_newest_first(funded: Store) -> None:
    for number in range(5):
        await promote(funded, f"promotion-{number}")
    page = await funded.page(2, "")
    second = await funded.page(2, page.next_token)
    third = await funded.page(2, second.next_token)
    pages = (page, second, third)
    ids = [[promotion.id[-1] for promotion in each.promotions] for each in pages]
    assert ids == [["4", "3"], ["2", "1"], ["0"]]
    assert third.next_token == ""


@pytest.mark.needs(Capability.SHARED)
async def test_what_one_process_does_another_sees_and_hears_of(
    funded: Store, implementation: Implementation, place: Place
) -> None:
    another: Store = implementation.begin(place)
    with another.listen("promotion-1") as news:
        await another.open()
        async with asyncio.timeout(10):
            await news.wait()  # it has begun to listen
            news.clear()
            promoted = await promote(funded, "promotion-1")
            await news.wait()
    assert await another.get("promotion-1") == promoted
    assert await another.secret() == await funded.secret()
    assert (await take_one(another)).promotion.id == "promotion-1"
    assert await funded.take("test", 9) == []
    await another.close()


async def test_a_quote_is_for_one_promotion(funded: Store, approvals: Approvals) -> None:
    request = promotion_request()
    content = content_of(request)
    await promote(funded, "promotion-1")
    quote = await funded.find_quote("q-promotion-1")
    assert quote
    again = await funded.promote("promotion-1", content, request, quote, 60)
    assert again == await funded.get("promotion-1")
    with pytest.raises(QuoteExpired, match="was promoted already"):
        await funded.promote("promotion-2", content, request, quote, 60)
    with pytest.raises(QuoteExpired, match="was promoted already"):
        await approvals.wait("promotion-2", content, request, quote, LEAD)
    waits = open_quote(request, 1_000, "q-waits")
    await funded.keep_quote(waits, 60)
    await approvals.wait("promotion-3", content, request, waits, LEAD)
    with pytest.raises(QuoteExpired, match="was promoted already"):
        await funded.promote("promotion-4", content, request, waits, 60)
    assert await balance(funded) == (1_000, 0)


@pytest.mark.parametrize("waits", [False, True])
async def test_a_quote_is_for_one_promotion_however_many_come_at_once(
    funded: Store, approvals: Approvals, waits: bool
) -> None:
    request = promotion_request()
    content = content_of(request)
    quote = open_quote(request, 10, "q-1")
    await funded.keep_quote(quote, 60)

    async def ask(number: int) -> Promotion:
        name = f"promotion-{number:02d}"
        if waits:
            return await approvals.wait(name, content, request, quote, LEAD)
        return await funded.promote(name, content, request, quote, 60)

    answers = await asyncio.gather(*(ask(each) for each in range(11)), return_exceptions=True)
    (made,) = (each for each in answers if isinstance(each, Promotion))
    assert [type(each) for each in answers].count(QuoteExpired) == 10
    assert [each.id for each in (await funded.page(50, "")).promotions] == [made.id]
    if waits:
        every = [funded.promote(made.id, content, request, quote, 60, "lea") for _ in range(5)]
        assert len({each.approved_by for each in await asyncio.gather(*every)}) == 1
    assert await balance(funded) == (10, 0)
    assert len(await funded.secret()) == 32


async def test_a_quote_is_kept_with_its_caller_and_its_party(store: Store) -> None:
    quote = replace(open_quote(promotion_request(), 1), caller="acme/ann", party="acme/artists")
    await store.keep_quote(quote, 60)
    assert await store.find_quote(quote.quote.id) == quote


async def pages_of(store: Store, organisation: str, size: int) -> list[str]:
    ids: list[str] = []
    token = ""
    while True:
        page = await store.page(size, token, organisation)
        assert len(page.promotions) <= size
        ids += [promotion.id for promotion in page.promotions]
        token = page.next_token
        if not token:
            return ids


@pytest.mark.parametrize("size", [1, 2, 3, 9])
async def test_an_organisation_s_pages_hold_its_promotions_wherever_they_are_kept(
    funded: Store, archivist: Archivist, size: int
) -> None:
    for number in range(3):
        for organisation in ("acme", "acmes", "rival"):
            await promote(funded, f"{organisation}/old-{number}", 1)
            await funded.cancel(f"{organisation}/old-{number}")
    await archivist.archive_all()
    for number in range(2):
        for organisation in ("rival", "acme"):
            await promote(funded, f"{organisation}/new-{number}", 1)
    assert await pages_of(funded, "acme", size) == [
        *("acme/new-1", "acme/new-0"),
        *("acme/old-2", "acme/old-1", "acme/old-0"),
    ]
    assert await pages_of(funded, "acmes", size) == [f"acmes/old-{n}" for n in (2, 1, 0)]
    assert await pages_of(funded, "nobody", size) == []
    assert len(await pages_of(funded, "", size)) == 13
