"""What both ledgers promise; named after the promises."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest
from underpaint.contract.errors import (
    BudgetExceeded,
    PromotionConflict,
    PromotionNotFound,
    QuoteExpired,
)
from underpaint.contract.generation import Progress
from underpaint.contract.money import MAX_USD_MICROS
from underpaint.contract.promotion import Account, Promotion, PromotionState
from underpaint.orchestrator.ledger.replay import LedgerReplay, differences
from underpaint.orchestrator.ledger.spend import by_scope
from underpaint.orchestrator.ledger.store import EVER
from underpaint.orchestrator.promotions.quoting import content_of
from underpaint.orchestrator.promotions.store import (
    WORK,
    Lease,
    LeaseLost,
    Overcharge,
    PromotionStore,
)

from tests.unit.orchestrator.samples import OUTCOME, open_quote, promotion_request

ALL_SCOPES = Account().scopes
LONGER_THAN_A_LEASE_S = 0.4


async def promote(
    ledger: PromotionStore,
    promotion_id: str,
    cost: int = 1_000,
    account: Account | None = None,
    reservation_s: float = 60,
) -> Promotion:
    request = promotion_request(account=account or Account())
    quote = open_quote(request, cost, f"q-{promotion_id}")
    await ledger.keep_quote(quote, 60)
    return await ledger.promote(promotion_id, content_of(request), request, quote, reservation_s)


async def take_one(ledger: PromotionStore) -> Lease:
    (lease,) = await ledger.take("test", 1)
    return lease


async def balance(ledger: PromotionStore, scope: str = "project:default") -> tuple[int, int]:
    """Reserved and spent; checked against the replay of all entries, as everything else."""
    replay = LedgerReplay()
    for entry in await ledger.entries("", 100_000):
        replay.add(entry)
    kept = await ledger.balances()
    assert [*replay.problems, *differences(replay.balances(kept.campaigns), kept)] == []
    return kept.amounts.get((scope, EVER), (0, 0))


async def moved(ledger: PromotionStore) -> list[tuple[str, int, int]]:
    """Kind, reserved and spent of every movement of money."""
    return [
        (entry.kind, entry.reserved_usd_micros, entry.spent_usd_micros)
        for entry in await ledger.entries("", 100)
        if entry.kind != "limit"
    ]


@pytest.fixture
async def funded(ledger: PromotionStore) -> PromotionStore:
    await ledger.set_budget("project:default", 10_000)
    return ledger


async def test_reserve_settle_and_receipt(funded: PromotionStore) -> None:
    promoted = await promote(funded, "promotion-1")
    assert promoted.state is PromotionState.RESERVED
    assert await balance(funded) == (1_000, 0)
    lease = await take_one(funded)
    assert (lease.promotion.state, lease.promotion.attempts) == (PromotionState.RUNNING, 1)
    await funded.record(lease, OUTCOME)
    settled = await funded.settle(lease, 700, 6_300)
    assert settled.state is PromotionState.SETTLED
    assert settled.artifact == OUTCOME.digest
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


async def test_a_replay_returns_what_is_stored(funded: PromotionStore) -> None:
    first = await promote(funded, "promotion-1", 10_000)
    assert await promote(funded, "promotion-1", 10_000) == first
    request = promotion_request()
    gone = open_quote(request, 10_000, "q-gone")
    assert await funded.promote("promotion-1", content_of(request), request, gone, 60) == first
    assert await balance(funded) == (10_000, 0)
    assert len(await funded.take("test", 10)) == 1


async def test_the_same_id_with_other_content_is_a_conflict(funded: PromotionStore) -> None:
    await promote(funded, "promotion-1")
    with pytest.raises(PromotionConflict, match="choose a new id"):
        await promote(funded, "promotion-1", account=Account(user="other"))
    assert await balance(funded) == (1_000, 0)


async def test_a_quote_must_be_kept_and_for_the_content(funded: PromotionStore) -> None:
    request = promotion_request()
    quote = open_quote(request, 1_000)
    with pytest.raises(QuoteExpired):
        await funded.promote("promotion-1", content_of(request), request, quote, 60)
    await funded.keep_quote(quote, 60)
    other = promotion_request(draft_count=2)
    with pytest.raises(QuoteExpired):
        await funded.promote("promotion-1", content_of(other), other, quote, 60)
    brief = open_quote(request, 1_000, "q-brief")
    await funded.keep_quote(brief, 0.01)
    await asyncio.sleep(0.03)
    assert await funded.find_quote("q-brief") is None
    assert (await funded.find_quote("q-1")) == quote
    assert await balance(funded) == (0, 0)


async def test_exactly_the_limit_then_one_more(funded: PromotionStore) -> None:
    await promote(funded, "promotion-1", 9_999)
    await promote(funded, "promotion-2", 1)
    with pytest.raises(BudgetExceeded, match=r"project:default has \$0.00 left of \$0.01 and"):
        await promote(funded, "promotion-3", 1)
    assert await balance(funded) == (10_000, 0)
    with pytest.raises(PromotionNotFound):
        await funded.get("promotion-3")


async def test_every_scope_with_a_budget_must_have_room(funded: PromotionStore) -> None:
    await funded.set_budget("user:default", 10)
    with pytest.raises(BudgetExceeded, match="user:default"):
        await promote(funded, "promotion-1", 11)
    assert await balance(funded) == (0, 0)
    await promote(funded, "promotion-1", 10)
    assert await balance(funded, "user:default") == (10, 0)


async def test_without_any_budget_nothing_is_spent(ledger: PromotionStore) -> None:
    with pytest.raises(BudgetExceeded, match="underpaint budget set project:default 5"):
        await promote(ledger, "promotion-1")
    assert await ledger.seed_budget("organisation:default", 5_000)
    assert not await ledger.seed_budget("organisation:default", 9_000)
    await promote(ledger, "promotion-1")
    assert await balance(ledger, "organisation:default") == (1_000, 0)


async def test_sums_near_the_largest_are_exact(ledger: PromotionStore) -> None:
    await ledger.set_budget("project:default", MAX_USD_MICROS)
    await promote(ledger, "promotion-1", MAX_USD_MICROS - 1)
    await promote(ledger, "promotion-2", 1)
    with pytest.raises(BudgetExceeded):
        await promote(ledger, "promotion-3", 1)
    assert await balance(ledger) == (MAX_USD_MICROS, 0)


async def test_concurrent_promoters_never_exceed_the_budget(funded: PromotionStore) -> None:
    observed: list[tuple[int, int]] = []

    async def observe() -> None:
        while True:
            (budget,) = await funded.budgets()
            observed.append((budget.reserved_usd_micros, budget.spent_usd_micros))
            await asyncio.sleep(0.001)

    async def one(number: int) -> bool:
        try:
            await promote(funded, f"promotion-{number}", 333)
        except BudgetExceeded:
            return False
        return True

    observer = asyncio.create_task(observe())
    try:
        accepted = await asyncio.gather(*(one(number) for number in range(100)))
    finally:
        observer.cancel()
    assert sum(accepted) == 30
    assert max(reserved + spent for reserved, spent in observed) <= 10_000
    assert await balance(funded) == (9_990, 0)


async def test_settling_above_the_reservation_is_refused_loudly(funded: PromotionStore) -> None:
    await promote(funded, "promotion-1")
    lease = await take_one(funded)
    await funded.record(lease, OUTCOME)
    for wrong in (1_001, MAX_USD_MICROS, -1):
        with pytest.raises(Overcharge):
            await funded.settle(lease, wrong, 0)
    assert await balance(funded) == (1_000, 0)
    await funded.settle(lease, 1_000, 0)
    assert await balance(funded) == (0, 1_000)


async def test_settling_needs_a_recorded_outcome(funded: PromotionStore) -> None:
    await promote(funded, "promotion-1")
    with pytest.raises(Exception, match="no outcome to settle"):
        await funded.settle(await take_one(funded), 1, 0)
    assert await balance(funded) == (1_000, 0)


async def test_cancel_queued_running_and_finished(funded: PromotionStore) -> None:
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


async def test_a_cancelled_promotion_whose_worker_died_is_released(funded: PromotionStore) -> None:
    await promote(funded, "promotion-1")
    await take_one(funded)
    await funded.cancel("promotion-1")
    await asyncio.sleep(LONGER_THAN_A_LEASE_S)
    assert await funded.take("test", 10) == []
    assert (await funded.get("promotion-1")).state is PromotionState.RELEASED
    assert await balance(funded) == (0, 0)


async def test_cancel_racing_settle_one_wins(funded: PromotionStore) -> None:
    spent = 0
    for number in range(60):
        await promote(funded, f"promotion-{number}", 100)
        lease = await take_one(funded)
        await funded.record(lease, OUTCOME)
        steps = [funded.settle(lease, 40, 0), funded.cancel(lease.promotion.id)]
        random.Random(number).shuffle(steps)
        await asyncio.gather(*steps)
        spent += 40
    assert await balance(funded) == (0, spent)


async def test_a_stale_fence_writes_nothing(funded: PromotionStore) -> None:
    await promote(funded, "promotion-1")
    stale = await take_one(funded)
    await asyncio.sleep(LONGER_THAN_A_LEASE_S)
    lease = await take_one(funded)
    assert lease.fence > stale.fence
    assert lease.promotion.attempts == 2
    for late in (
        funded.renew(stale),
        funded.cancelled(stale),
        funded.progress(stale, Progress(step=1, steps=2, stage="late")),
        funded.record(stale, replace(OUTCOME, model="late")),
        funded.settle(stale, 1, 1),
        funded.release(stale, "late"),
        funded.retry(stale, 0, "late", counts=True),
    ):
        with pytest.raises(LeaseLost):
            await late
    assert not any(e.message == "late" for e in await funded.events("promotion-1", "", 100))
    await funded.record(lease, OUTCOME)
    settled = await funded.settle(lease, 10, 90)
    assert settled.lineage
    assert settled.lineage.model == "stub"
    assert await balance(funded) == (0, 10)


async def test_a_heartbeat_keeps_the_lease(funded: PromotionStore) -> None:
    await promote(funded, "promotion-1")
    lease = await take_one(funded)
    for _ in range(6):
        await asyncio.sleep(0.1)
        assert not await funded.renew(lease)
        assert await funded.take("other", 10) == []


async def test_a_lapsed_lease_hands_on_the_outcome(funded: PromotionStore) -> None:
    await promote(funded, "promotion-1")
    lease = await take_one(funded)
    assert lease.outcome is None
    await funded.record(lease, OUTCOME)
    await asyncio.sleep(LONGER_THAN_A_LEASE_S)
    assert (await take_one(funded)).outcome == OUTCOME


async def test_a_retry_waits_and_its_money_stays_reserved(funded: PromotionStore) -> None:
    await promote(funded, "promotion-1")
    await funded.retry(await take_one(funded), 0.15, "busy", counts=False)
    waiting = await funded.get("promotion-1")
    assert (waiting.state, waiting.attempts) == (PromotionState.RESERVED, 0)
    assert await funded.take("test", 10) == []
    assert await balance(funded) == (1_000, 0)
    await asyncio.sleep(0.2)
    lease = await take_one(funded)
    assert (lease.promotion.attempts, lease.refusals) == (1, 1)
    await funded.retry(lease, 0, "failed", counts=True)
    lease = await take_one(funded)
    assert lease.promotion.attempts == 2
    await funded.retry(lease, 60, "busy", counts=False)
    assert (await funded.cancel("promotion-1")).state is PromotionState.RELEASED
    assert await balance(funded) == (0, 0)


async def test_what_is_never_finished_expires_once(funded: PromotionStore) -> None:
    await promote(funded, "waiting-1", reservation_s=0.01)
    await promote(funded, "running-1", reservation_s=0.01)
    await promote(funded, "later-1")
    leases = await funded.take("test", 2)
    await asyncio.sleep(0.03)
    assert await funded.expire_due(10) == 2
    assert await funded.expire_due(10) == 0
    assert (await funded.get("waiting-1")).state is PromotionState.EXPIRED
    for lease in leases:
        with pytest.raises(LeaseLost):
            await funded.renew(lease)
    assert await balance(funded) == (1_000, 0)
    assert [lease.promotion.id for lease in await funded.take("test", 9)] == ["later-1"]


async def test_events_are_in_order_and_resumable(funded: PromotionStore) -> None:
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


async def test_news_wake_those_who_listen(funded: PromotionStore) -> None:
    with funded.listen(WORK) as work, funded.listen("promotion-1") as news:
        await promote(funded, "promotion-1")
        async with asyncio.timeout(10):
            await work.wait()
            await news.wait()


async def test_pages_are_newest_first(funded: PromotionStore) -> None:
    for number in range(5):
        await promote(funded, f"promotion-{number}")
    page = await funded.page(2, "")
    second = await funded.page(2, page.next_token)
    third = await funded.page(2, second.next_token)
    pages = (page, second, third)
    ids = [[promotion.id[-1] for promotion in each.promotions] for each in pages]
    assert ids == [["4", "3"], ["2", "1"], ["0"]]
    assert third.next_token == ""


async def test_a_lower_limit_stops_spending_but_keeps_promises(funded: PromotionStore) -> None:
    await promote(funded, "promotion-1", 5_000)
    budget = await funded.set_budget("project:default", 100)
    assert (budget.reserved_usd_micros, budget.left_usd_micros) == (5_000, -4_900)
    with pytest.raises(BudgetExceeded, match=r"has \$0.00 left"):
        await promote(funded, "promotion-2", 1)
    lease = await take_one(funded)
    await funded.record(lease, OUTCOME)
    assert (await funded.settle(lease, 5_000, 0)).state is PromotionState.SETTLED
