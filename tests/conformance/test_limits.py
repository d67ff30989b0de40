"""Limits: what may be reserved, in every scope and every period."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime

import pytest
from underpaint.contract.accounting import Period
from underpaint.contract.errors import BudgetExceeded, PromotionNotFound
from underpaint.contract.money import MAX_USD_MICROS
from underpaint.contract.promotion import Account, PromotionState
from underpaint.orchestrator.ledger.store import warnings

from tests.conformance.implementations import Store
from tests.conformance.steps import (
    PROJECT,
    at,
    balance,
    kinds,
    promote,
    settle_next,
    take_one,
    whole,
)
from tests.unit.orchestrator.samples import OUTCOME

DAYS = ("1970-01-01", "2000-02-29", "2026-12-31", "2027-01-01", "2028-02-28", "2028-02-29")


async def test_exactly_the_limit_then_one_more(funded: Store) -> None:
    await promote(funded, "promotion-1", 9_999)
    await promote(funded, "promotion-2", 1)
    with pytest.raises(
        BudgetExceeded, match=r"project:default/default/default has \$0.00 left of \$0.01 and"
    ):
        await promote(funded, "promotion-3", 1)
    assert await balance(funded) == (10_000, 0)
    with pytest.raises(PromotionNotFound):
        await funded.get("promotion-3")


async def test_every_scope_with_a_budget_must_have_room(funded: Store) -> None:
    await funded.set_budget("user:default/default/default/default", 10)
    with pytest.raises(BudgetExceeded, match="user:default/default/default/default"):
        await promote(funded, "promotion-1", 11)
    assert await balance(funded) == (0, 0)
    await promote(funded, "promotion-1", 10)
    assert await balance(funded, "user:default/default/default/default") == (10, 0)


async def test_without_any_budget_nothing_is_spent(store: Store) -> None:
    with pytest.raises(
        BudgetExceeded, match="underpaint budget set project:default/default/default 5"
    ):
        await promote(store, "promotion-1")
    assert await store.seed_budget("organisation:default", 5_000)
    assert not await store.seed_budget("organisation:default", 9_000)
    await promote(store, "promotion-1")
    assert await balance(store, "organisation:default") == (1_000, 0)


async def test_sums_near_the_largest_are_exact(store: Store) -> None:
    await store.set_budget("project:default/default/default", MAX_USD_MICROS)
    await promote(store, "promotion-1", MAX_USD_MICROS - 1)
    await promote(store, "promotion-2", 1)
    with pytest.raises(BudgetExceeded):
        await promote(store, "promotion-3", 1)
    assert await balance(store) == (MAX_USD_MICROS, 0)


async def test_concurrent_promoters_never_exceed_the_budget(funded: Store) -> None:
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


async def test_a_lower_limit_stops_spending_but_keeps_promises(funded: Store) -> None:
    await promote(funded, "promotion-1", 5_000)
    budget = await funded.set_budget("project:default/default/default", 100)
    assert (budget.reserved_usd_micros, budget.left_usd_micros) == (5_000, -4_900)
    with pytest.raises(BudgetExceeded, match=r"has \$0.00 left"):
        await promote(funded, "promotion-2", 1)
    lease = await take_one(funded)
    await funded.record(lease, OUTCOME)
    assert (await funded.settle(lease, 5_000, 0)).state is PromotionState.SETTLED


async def test_a_day_begins_at_midnight_utc(store: Store) -> None:
    await store.set_budget(PROJECT, 1_000, period=Period.DAY)
    await store.turn(at("2026-11-21T23:59:59"))
    await promote(store, "promotion-1", 1_000)
    with pytest.raises(BudgetExceeded, match=r"left of \$0.001 a day .* DOLLARS --per day`"):
        await promote(store, "promotion-2", 1)
    await store.turn(at("2026-11-22T00:00:00"))
    await promote(store, "promotion-3", 1_000)


async def test_a_month_begins_on_its_first_day(store: Store) -> None:
    await store.set_budget(PROJECT, 1_000, period=Period.MONTH)
    await promote(store, "promotion-1", 600)
    await store.turn(at("2026-11-30T23:59:59"))
    with pytest.raises(BudgetExceeded, match="a month"):
        await promote(store, "promotion-2", 401)
    await promote(store, "promotion-3", 400)
    await store.turn(at("2026-12-01"))
    await promote(store, "promotion-4", 1_000)


async def test_a_campaign_limits_from_its_first_to_its_last_day(store: Store) -> None:
    await store.set_budget("organisation:default", 10**6)
    await store.set_budget(PROJECT, 500, from_day="2026-11-22", until_day="2026-11-23")
    await promote(store, "before-1", 9_000)
    await store.turn(at("2026-11-22"))
    await promote(store, "within-1", 500)
    await store.turn(at("2026-11-23T23:59:59"))
    with pytest.raises(BudgetExceeded, match="from 2026-11-22 to 2026-11-23"):
        await promote(store, "within-2", 1)
    await store.turn(at("2026-11-24"))
    await promote(store, "after-1", 9_000)


async def test_a_campaign_that_is_over_is_no_budget(store: Store) -> None:
    await store.set_budget(PROJECT, 500, until_day="2026-11-20")
    with pytest.raises(BudgetExceeded, match="has a budget; set one"):
        await promote(store, "promotion-1", 1)


async def test_a_limit_counts_what_its_period_has_seen(store: Store) -> None:
    await store.set_budget("user:default/default/default/default", 10**6)
    for day, cost in (("2026-11-19", 1), ("2026-11-20", 20), ("2026-11-21", 300)):
        await store.turn(at(day))
        await promote(store, f"on-{day}", cost)
        await settle_next(store, cost)
    await promote(store, "promotion-1", 4_000)
    await store.set_budget(PROJECT, 10**6, period=Period.DAY)
    await store.set_budget(PROJECT, 10**6, period=Period.MONTH)
    seen = await store.set_budget(PROJECT, 10**6, from_day="2026-11-20")
    assert (seen.spent_usd_micros, seen.reserved_usd_micros) == (320, 4_000)
    day, month, campaign = await store.limits((PROJECT,))
    assert (day.period, day.spent_usd_micros) == (Period.DAY, 300)
    assert (month.period, month.spent_usd_micros) == (Period.MONTH, 321)
    assert campaign == seen
    await settle_next(store, 4_000)
    assert (await store.limits((PROJECT,)))[2].spent_usd_micros == 4_320


async def test_a_reservation_settles_in_the_day_it_was_made(store: Store) -> None:
    await store.set_budget(PROJECT, 1_000, period=Period.DAY)
    await store.turn(at("2026-11-30T23:59:59"))
    await promote(store, "promotion-1", 1_000)
    await store.turn(at("2026-12-01"))
    await settle_next(store, 700)
    kept = (await whole(store)).amounts
    assert kept[PROJECT, "2026-11-30"] == kept[PROJECT, "2026-11"] == (0, 700)
    assert (PROJECT, "2026-12") not in kept
    assert (await store.spend("2026-11-30"))[0].day == "2026-11-30"
    assert not await store.spend("2026-12-01")
    await promote(store, "promotion-2", 1_000)


async def test_every_scope_and_period_must_have_room_or_nothing_moves(store: Store) -> None:
    await store.set_budget("organisation:default", 10**6, period=Period.MONTH)
    await store.set_budget("team:default/default", 10**6)
    await store.set_budget("user:default/default/default/default", 99, period=Period.DAY)
    with pytest.raises(BudgetExceeded, match="user:default/default/default/default"):
        await promote(store, "promotion-1", 100)
    assert not any(any(amounts) for amounts in (await whole(store)).amounts.values())
    assert kinds(await store.entries("", 10)) == ["limit"] * 3


async def test_a_soft_limit_warns_and_records_and_refuses_nothing(store: Store) -> None:
    await store.set_budget("team:default/default", 1_000, period=Period.DAY, soft=True)
    first = await promote(store, "promotion-1", 1_000)
    assert first.warnings == ()
    told = "team:default/default goes $0.00025 over its soft limit of $0.001 a day"
    assert warnings(await store.limits(Account().scopes), 250) == (told,)
    second = await promote(store, "promotion-2", 250)
    assert second.warnings == (await store.get("promotion-2")).warnings == (told,)
    overrun = (await store.entries("", 10))[-1]
    assert (overrun.kind, overrun.promotion_id, overrun.note) == ("overrun", second.id, told)
    assert overrun.scopes == ("team:default/default",)
    await store.set_budget(PROJECT, 100)
    with pytest.raises(BudgetExceeded, match=PROJECT):
        await promote(store, "promotion-3", 1)


async def test_limits_are_replaced_and_lifted_one_by_one(store: Store) -> None:
    await store.set_budget(PROJECT, 5, period=Period.DAY)
    await store.set_budget(PROJECT, 7, period=Period.DAY, soft=True)
    await store.set_budget(PROJECT, 9, from_day="2026-11-01", until_day="2026-11-30")
    await store.set_budget(PROJECT, 8)
    assert [(each.terms) for each in await store.budgets()] == [
        "$0.000007 a day, soft",
        "$0.000008",
    ]
    await store.remove_budget(PROJECT, Period.CAMPAIGN)
    assert [each.period for each in await store.budgets()] == [Period.DAY]
    await store.remove_budget(PROJECT, Period.DAY)
    await store.remove_budget(PROJECT, Period.DAY)
    assert await store.budgets() == []
    assert not await store.seed_budget(PROJECT, 5)  # no limit at all is what was wanted
    assert await store.budgets() == []
    notes = [entry.note for entry in await store.entries("", 99)]
    assert notes[2] == "$0.000009 from 2026-11-01 to 2026-11-30"
    assert notes[-1] == "no limit for a day"


async def test_a_scope_never_exceeds_what_can_be_counted(store: Store) -> None:
    await store.set_budget("user:default/default/default/default", 2**53 - 1, period=Period.DAY)
    await promote(store, "promotion-1", 2**53 - 1)
    await store.turn(at("2026-11-22"))
    with pytest.raises(BudgetExceeded, match="largest sum"):
        await promote(store, "promotion-2", 1)


async def test_the_days_are_those_of_the_calendar(store: Store) -> None:
    dice = random.Random(5)
    moments = [at(f"{day}T{time}") for day in DAYS for time in ("00:00:00", "23:59:59")]
    for seconds in moments + [dice.randrange(0, at("2400-01-01")) for _ in range(500)]:
        await store.turn(seconds)
        assert await store.today() == datetime.fromtimestamp(seconds, UTC).date().isoformat()
