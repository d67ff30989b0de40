"""Promotions that wait for an approval."""

from __future__ import annotations

import asyncio

import pytest
from underpaint.contract.errors import (
    BudgetExceeded,
    PromotionConflict,
    PromotionNotFound,
    QuoteExpired,
)
from underpaint.contract.promotion import Approval, Promotion, PromotionState
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.promotions.approvals import Approvals
from underpaint.orchestrator.promotions.archive import Archive, Archivist
from underpaint.orchestrator.promotions.quoting import content_of
from underpaint.orchestrator.promotions.store import OpenQuote

from tests.conformance.implementations import Store
from tests.unit.orchestrator.samples import open_quote, promotion_request

LEAD = Approval(role="lead", within_s=3_600)
AT_ONCE = Approval(role="lead", within_s=0)  # its time is over as soon as it waits
REQUEST = promotion_request()


async def quoted(store: Store, lifetime_s: float = 60, cost: int = 1_000) -> OpenQuote:
    quote = open_quote(REQUEST, cost)
    await store.keep_quote(quote, lifetime_s)
    return quote


async def wait(
    store: Store, approvals: Approvals, approval: Approval = LEAD, lifetime_s: float = 60
) -> OpenQuote:
    await store.set_budget("project:default/default/default", 10_000)
    quote = await quoted(store, lifetime_s)
    await approvals.wait("promotion-1", content_of(REQUEST), REQUEST, quote, approval)
    return quote


async def approve(store: Store, quote: OpenQuote, by: str = "ana") -> Promotion:
    content = content_of(REQUEST)
    return await store.promote("promotion-1", content, REQUEST, quote, 60, approved_by=by)


async def reserved(store: Store) -> int:
    (budget,) = await store.budgets()
    return budget.reserved_usd_micros


async def test_what_waits_is_stored_and_seen_and_reserves_nothing(
    store: Store, approvals: Approvals
) -> None:
    await wait(store, approvals)
    stored = await store.get("promotion-1")
    assert stored.state is PromotionState.WAITING
    assert "role lead to approve it, at most 1h" in stored.reason
    assert [each.id for each in (await store.page(9, "")).promotions] == ["promotion-1"]
    (event,) = await store.events("promotion-1", "", 9)
    assert (event.state, event.message) == (PromotionState.WAITING, stored.reason)
    assert await reserved(store) == 0
    assert not await store.take("worker", 9)


async def test_approved_it_is_reserved_and_taken_once(store: Store, approvals: Approvals) -> None:
    quote = await wait(store, approvals)
    before = await store.get("promotion-1")
    approved = await approve(store, quote)
    assert (approved.state, approved.approved_by) == (PromotionState.RESERVED, "ana")
    assert approved.created_at == before.created_at
    assert await reserved(store) == 1_000
    again = await approve(store, quote, by="ben")
    assert (again.approved_by, await reserved(store)) == ("ana", 1_000)
    assert [each.id for each in (await store.page(9, "")).promotions] == ["promotion-1"]
    (lease,) = await store.take("worker", 9)
    assert lease.promotion.approved_by == "ana"
    told = [each.message for each in await store.events("promotion-1", "", 9)]
    assert told[1] == "approved by ana; $0.001 is reserved; waiting for an engine"


async def test_a_repeated_promotion_is_not_taken_for_an_approval(
    store: Store, approvals: Approvals
) -> None:
    quote = await wait(store, approvals)
    assert (await approve(store, quote, by="")).state is PromotionState.WAITING
    content = content_of(REQUEST)
    again = await approvals.wait("promotion-1", content, REQUEST, quote, AT_ONCE)
    assert again.reason == (await store.get("promotion-1")).reason
    with pytest.raises(PromotionConflict):
        await approvals.wait("promotion-1", "other", REQUEST, quote, LEAD)
    assert await reserved(store) == 0


async def test_the_quote_stays_open_as_long_as_it_may_be_approved_and_no_longer(
    store: Store, approvals: Approvals
) -> None:
    quote = await wait(store, approvals, lifetime_s=600)
    assert await store.find_quote(quote.quote.id) == quote
    other = open_quote(REQUEST, 1_000, "q-2")
    await store.keep_quote(other, 600)
    await approvals.wait("promotion-2", content_of(REQUEST), REQUEST, other, AT_ONCE)
    assert await store.find_quote("q-2") is None


async def test_without_an_open_quote_nothing_waits(store: Store, approvals: Approvals) -> None:
    quote = open_quote(REQUEST, 1_000)
    with pytest.raises(QuoteExpired):
        await approvals.wait("promotion-1", content_of(REQUEST), REQUEST, quote, LEAD)
    assert not await approvals.end("promotion-1", "no")
    with pytest.raises(PromotionNotFound):
        await store.get("promotion-1")


async def test_without_room_it_goes_on_waiting(store: Store, approvals: Approvals) -> None:
    quote = await wait(store, approvals)
    await store.set_budget("project:default/default/default", 999)
    with pytest.raises(BudgetExceeded):
        await approve(store, quote)
    stored = await store.get("promotion-1")
    assert (stored.state, stored.approved_by) == (PromotionState.WAITING, "")
    await store.set_budget("project:default/default/default", 1_000)
    assert (await approve(store, quote)).state is PromotionState.RESERVED


async def test_ended_it_is_approved_no_more(store: Store, approvals: Approvals) -> None:
    quote = await wait(store, approvals)
    assert await approvals.end("promotion-1", "denied by ana: too dear")
    denied = await store.get("promotion-1")
    assert (denied.state, denied.reason) == (PromotionState.RELEASED, "denied by ana: too dear")
    assert (await approve(store, quote)).state is PromotionState.RELEASED
    assert not await approvals.end("promotion-1", "again")
    assert await store.get("promotion-1") == denied
    last = (await store.events("promotion-1", "", 9))[-1]
    assert (last.state, last.message) == (PromotionState.RELEASED, "denied by ana: too dear")
    assert await reserved(store) == 0


async def test_what_was_approved_cannot_be_ended(store: Store, approvals: Approvals) -> None:
    quote = await wait(store, approvals)
    await approve(store, quote)
    assert not await approvals.end("promotion-1", "too late")
    assert (await store.get("promotion-1")).state is PromotionState.RESERVED
    assert await approvals.lapse(9) == 0
    assert await reserved(store) == 1_000


async def test_it_lapses_once_when_its_time_is_over(store: Store, approvals: Approvals) -> None:
    await wait(store, approvals)
    assert await approvals.lapse(9) == 0
    other = open_quote(REQUEST, 1_000, "q-2")
    await store.keep_quote(other, 60)
    await approvals.wait("promotion-2", content_of(REQUEST), REQUEST, other, AT_ONCE)
    content = content_of(REQUEST)
    late = await store.promote("promotion-2", content, REQUEST, other, 60, approved_by="ana")
    assert (late.state, late.approved_by) == (PromotionState.WAITING, "")
    assert await approvals.lapse(9) == 1
    lapsed = await store.get("promotion-2")
    assert (lapsed.state, lapsed.reason) == (PromotionState.EXPIRED, "nobody approved it in time")
    last = (await store.events("promotion-2", "", 9))[-1]
    assert (last.state, last.message) == (PromotionState.EXPIRED, "nobody approved it in time")
    assert await approvals.lapse(9) == 0
    assert await store.expire_due(9) == 0
    assert (await store.get("promotion-1")).state is PromotionState.WAITING
    assert await reserved(store) == 0


async def test_approving_races_with_denying_and_exactly_one_wins(
    store: Store, approvals: Approvals
) -> None:
    await store.set_budget("project:default/default/default", 10**9)
    for number in range(40):
        quote = open_quote(REQUEST, 1_000, f"q-{number}")
        await store.keep_quote(quote, 60)
        name, content = f"promotion-{number}", content_of(REQUEST)
        await approvals.wait(name, content, REQUEST, quote, LEAD)
        approved, did = await asyncio.gather(
            store.promote(name, content, REQUEST, quote, 60, approved_by="ana"),
            approvals.end(name, "denied by ben: no"),
        )
        stored = await store.get(name)
        assert did == (stored.state is PromotionState.RELEASED)
        assert did != (approved.approved_by == "ana")
    promotions = (await store.page(99, "")).promotions
    held = sum(each.state is PromotionState.RESERVED for each in promotions)
    assert await reserved(store) == 1_000 * held


async def test_archived_it_answers_as_any_other_that_is_finished(
    store: Store, approvals: Approvals, artifacts: Artifacts
) -> None:
    quote = await wait(store, approvals)
    await approvals.end("promotion-1", "denied by ana: no")
    denied = await store.get("promotion-1")
    archivist = Archivist(store=store, archive=Archive(artifacts), kept_s=-1)
    assert await archivist.archive_all() == 1
    assert not await approvals.end("promotion-1", "again")
    again = await approvals.wait("promotion-1", content_of(REQUEST), REQUEST, quote, LEAD)
    assert again == await approve(store, quote) == denied
    with pytest.raises(PromotionConflict):
        await approvals.wait("promotion-1", "other", REQUEST, quote, LEAD)
    assert await reserved(store) == 0
