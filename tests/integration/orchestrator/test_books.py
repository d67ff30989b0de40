"""Limits by period, the fold of the entries, the freeze, checkpoints: of both ledgers."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from underpaint.contract.accounting import LedgerEntry, Period
from underpaint.contract.errors import BudgetExceeded, InvalidRequest, LedgerFrozen
from underpaint.contract.promotion import Account, PromotionState
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.ledger.audit import Auditor
from underpaint.orchestrator.ledger.store import CAMPAIGN, EVER, warnings
from underpaint.orchestrator.promotions.store import PromotionStore

from tests.integration.orchestrator.clocked import (
    ClockedMemory,
    ClockedRedis,
    at,
    clocked,
    kinds,
    promote,
)
from tests.unit.orchestrator.samples import OUTCOME

Either = ClockedMemory | ClockedRedis
PROJECT = "project:default"


@pytest.fixture(params=["memory", "redis"])
async def ledger(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Either]:
    """Both ledgers, at noon of 2026-11-21."""
    kind = clocked(request.param, redis_url)
    await kind.turn(at("2026-11-21T12:00:00"))
    await kind.open()
    yield kind
    await kind.close()


@pytest.fixture
def bookkeeper(ledger: Either, tmp_path: Path) -> Auditor:
    return Auditor(store=ledger, artifacts=Artifacts(str(tmp_path / "artifacts")))


async def settle_next(ledger: PromotionStore, charged: int) -> None:
    (lease,) = await ledger.take("test", 1)
    await ledger.record(lease, OUTCOME)
    await ledger.settle(lease, charged, 9 * charged)


async def read(bookkeeper: Auditor, since_day: str = "") -> list[LedgerEntry]:
    return [entry async for batch in bookkeeper.read(since_day) for entry in batch]


# Limits


async def test_a_day_begins_at_midnight_utc(ledger: Either) -> None:
    await ledger.set_budget(PROJECT, 1_000, period=Period.DAY)
    await ledger.turn(at("2026-11-21T23:59:59"))
    await promote(ledger, "promotion-1", 1_000)
    with pytest.raises(BudgetExceeded, match=r"left of \$0.001 a day .* DOLLARS --per day`"):
        await promote(ledger, "promotion-2", 1)
    await ledger.turn(at("2026-11-22T00:00:00"))
    await promote(ledger, "promotion-3", 1_000)


async def test_a_month_begins_on_its_first_day(ledger: Either) -> None:
    await ledger.set_budget(PROJECT, 1_000, period=Period.MONTH)
    await promote(ledger, "promotion-1", 600)
    await ledger.turn(at("2026-11-30T23:59:59"))
    with pytest.raises(BudgetExceeded, match="a month"):
        await promote(ledger, "promotion-2", 401)
    await promote(ledger, "promotion-3", 400)
    await ledger.turn(at("2026-12-01"))
    await promote(ledger, "promotion-4", 1_000)


async def test_a_campaign_limits_from_its_first_to_its_last_day(ledger: Either) -> None:
    await ledger.set_budget("organisation:default", 10**6)
    await ledger.set_budget(PROJECT, 500, from_day="2026-11-22", until_day="2026-11-23")
    await promote(ledger, "before-1", 9_000)
    await ledger.turn(at("2026-11-22"))
    await promote(ledger, "within-1", 500)
    await ledger.turn(at("2026-11-23T23:59:59"))
    with pytest.raises(BudgetExceeded, match="from 2026-11-22 to 2026-11-23"):
        await promote(ledger, "within-2", 1)
    await ledger.turn(at("2026-11-24"))
    await promote(ledger, "after-1", 9_000)


async def test_a_campaign_that_is_over_is_no_budget(ledger: Either) -> None:
    await ledger.set_budget(PROJECT, 500, until_day="2026-11-20")
    with pytest.raises(BudgetExceeded, match="has a budget; set one"):
        await promote(ledger, "promotion-1", 1)


async def test_a_limit_counts_what_its_period_has_seen(ledger: Either) -> None:
    await ledger.set_budget("user:default", 10**6)
    for day, cost in (("2026-11-19", 1), ("2026-11-20", 20), ("2026-11-21", 300)):
        await ledger.turn(at(day))
        await promote(ledger, f"on-{day}", cost)
        await settle_next(ledger, cost)
    await promote(ledger, "promotion-1", 4_000)
    await ledger.set_budget(PROJECT, 10**6, period=Period.DAY)
    await ledger.set_budget(PROJECT, 10**6, period=Period.MONTH)
    seen = await ledger.set_budget(PROJECT, 10**6, from_day="2026-11-20")
    assert (seen.spent_usd_micros, seen.reserved_usd_micros) == (320, 4_000)
    day, month, campaign = await ledger.limits((PROJECT,))
    assert (day.period, day.spent_usd_micros) == (Period.DAY, 300)
    assert (month.period, month.spent_usd_micros) == (Period.MONTH, 321)
    assert campaign == seen
    await settle_next(ledger, 4_000)
    assert (await ledger.limits((PROJECT,)))[2].spent_usd_micros == 4_320


async def test_a_reservation_settles_in_the_day_it_was_made(ledger: Either) -> None:
    await ledger.set_budget(PROJECT, 1_000, period=Period.DAY)
    await ledger.turn(at("2026-11-30T23:59:59"))
    await promote(ledger, "promotion-1", 1_000)
    await ledger.turn(at("2026-12-01"))
    await settle_next(ledger, 700)
    kept = (await ledger.balances()).amounts
    assert kept[PROJECT, "2026-11-30"] == kept[PROJECT, "2026-11"] == (0, 700)
    assert (PROJECT, "2026-12") not in kept
    assert (await ledger.spend("2026-11-30"))[0].day == "2026-11-30"
    assert not await ledger.spend("2026-12-01")
    await promote(ledger, "promotion-2", 1_000)


async def test_every_scope_and_period_must_have_room_or_nothing_moves(ledger: Either) -> None:
    await ledger.set_budget("organisation:default", 10**6, period=Period.MONTH)
    await ledger.set_budget("team:default", 10**6)
    await ledger.set_budget("user:default", 99, period=Period.DAY)
    with pytest.raises(BudgetExceeded, match="user:default"):
        await promote(ledger, "promotion-1", 100)
    assert not any(any(amounts) for amounts in (await ledger.balances()).amounts.values())
    assert kinds(await ledger.entries("", 10)) == ["limit"] * 3


async def test_a_soft_limit_warns_and_records_and_refuses_nothing(ledger: Either) -> None:
    await ledger.set_budget("team:default", 1_000, period=Period.DAY, soft=True)
    first = await promote(ledger, "promotion-1", 1_000)
    assert first.warnings == ()
    told = "team:default goes $0.00025 over its soft limit of $0.001 a day"
    assert warnings(await ledger.limits(Account().scopes), 250) == (told,)
    second = await promote(ledger, "promotion-2", 250)
    assert second.warnings == (await ledger.get("promotion-2")).warnings == (told,)
    overrun = (await ledger.entries("", 10))[-1]
    assert (overrun.kind, overrun.promotion_id, overrun.note) == ("overrun", second.id, told)
    assert overrun.scopes == ("team:default",)
    await ledger.set_budget(PROJECT, 100)
    with pytest.raises(BudgetExceeded, match=PROJECT):
        await promote(ledger, "promotion-3", 1)


async def test_limits_are_replaced_and_lifted_one_by_one(ledger: Either) -> None:
    await ledger.set_budget(PROJECT, 5, period=Period.DAY)
    await ledger.set_budget(PROJECT, 7, period=Period.DAY, soft=True)
    await ledger.set_budget(PROJECT, 9, from_day="2026-11-01", until_day="2026-11-30")
    await ledger.set_budget(PROJECT, 8)
    assert [(each.terms) for each in await ledger.budgets()] == [
        "$0.000007 a day, soft",
        "$0.000008",
    ]
    await ledger.remove_budget(PROJECT, Period.CAMPAIGN)
    assert [each.period for each in await ledger.budgets()] == [Period.DAY]
    await ledger.remove_budget(PROJECT, Period.DAY)
    await ledger.remove_budget(PROJECT, Period.DAY)
    assert await ledger.budgets() == []
    assert await ledger.seed_budget(PROJECT, 5)
    notes = [entry.note for entry in await ledger.entries("", 99)]
    assert notes[2] == "$0.000009 from 2026-11-01 to 2026-11-30"
    assert notes[-2] == "no limit for a day"


async def test_a_scope_never_exceeds_what_can_be_counted(ledger: Either) -> None:
    await ledger.set_budget("user:default", 2**53 - 1, period=Period.DAY)
    await promote(ledger, "promotion-1", 2**53 - 1)
    await ledger.turn(at("2026-11-22"))
    with pytest.raises(BudgetExceeded, match="largest sum"):
        await promote(ledger, "promotion-2", 1)


async def test_the_scripts_know_the_calendar(redis_url: str) -> None:
    ledger = ClockedRedis(redis_url, lease_s=1, root="{calendar}")
    dice = random.Random(5)
    moments = [at(f"{day}T{time}") for day in DAYS for time in ("00:00:00", "23:59:59")]
    for seconds in moments + [dice.randrange(0, at("2400-01-01")) for _ in range(500)]:
        await ledger.turn(seconds)
        assert await ledger.today() == datetime.fromtimestamp(seconds, UTC).date().isoformat()
    await ledger.close()


DAYS = ("1970-01-01", "2000-02-29", "2026-12-31", "2027-01-01", "2028-02-28", "2028-02-29")


# The fold


async def busy(ledger: Either) -> None:
    """Two days of work with a limit of each kind; one promotion waits, one is reserved."""
    await ledger.set_budget(PROJECT, 10**6, period=Period.DAY)
    await ledger.set_budget("team:default", 10**6, from_day="2026-11-22")
    await ledger.set_budget("user:default", 100, soft=True)
    for number in range(4):
        await promote(ledger, f"promotion-{number}", 1_000, Account(project=f"p{number % 2}"))
    await ledger.turn(at("2026-11-22"))
    await settle_next(ledger, 700)
    await settle_next(ledger, 0)
    await ledger.cancel("promotion-2")
    await promote(ledger, "promotion-4", 50)
    await settle_next(ledger, 1_000)


async def test_verify_says_how_much_was_compared(ledger: Either, bookkeeper: Auditor) -> None:
    await busy(ledger)
    found = await bookkeeper.verify()
    assert (found.mismatches, found.frozen) == ((), "")
    assert found.entries == found.number == len(await ledger.entries("", 99))
    assert found.reservations == 1
    assert found.balances >= 20
    assert await ledger.frozen() == ""


@pytest.mark.parametrize("window", [EVER, "2026-11", "2026-11-21", CAMPAIGN])
async def test_a_balance_off_by_one_freezes_spending_with_an_alarm(
    ledger: Either, bookkeeper: Auditor, window: str, caplog: pytest.LogCaptureFixture
) -> None:
    await busy(ledger)
    if window == CAMPAIGN:
        if isinstance(ledger, ClockedRedis):
            await ledger._redis.hincrby(ledger._key("scope", "team:default"), "campaign.spent", 1)
        else:
            ledger._amounts["team:default", CAMPAIGN] = (50, 1)
    else:
        await ledger.damage("team:default", window, 1)
    with caplog.at_level(logging.CRITICAL):
        found = await bookkeeper.verify()
    (mismatch,) = found.mismatches
    assert mismatch.startswith("team:default in ")
    assert "the entries add up to" in mismatch
    assert "ALARM: spending is frozen" in caplog.text
    assert found.frozen == await ledger.frozen() != ""
    assert (await ledger.entries("", 99))[-1].kind == "freeze"


async def test_frozen_refuses_new_reservations_only(ledger: Either, bookkeeper: Auditor) -> None:
    await busy(ledger)
    stored = await ledger.get("promotion-4")
    await ledger.freeze("a hole")
    await ledger.freeze("another")
    with pytest.raises(LedgerFrozen, match=r"frozen: a hole; look with `underpaint ledger verify`"):
        await promote(ledger, "promotion-9", 1)
    assert await promote(ledger, "promotion-4", 50) == stored
    if stored.state is PromotionState.RESERVED:
        await settle_next(ledger, 50)
    with pytest.raises(InvalidRequest, match="say why"):
        await bookkeeper.thaw("  ", rebuild=False)
    assert await bookkeeper.thaw("looked at it", rebuild=False) == "a hole"
    assert await bookkeeper.thaw("again", rebuild=False) == ""
    await promote(ledger, "promotion-9", 1)
    freezes = [e for e in await ledger.entries("", 99) if e.kind in ("freeze", "thaw")]
    assert [(e.kind, e.note) for e in freezes] == [("freeze", "a hole"), ("thaw", "looked at it")]
    assert (await bookkeeper.verify()).mismatches == ()


async def test_thaw_can_rebuild_the_balances_from_the_entries(
    ledger: Either, bookkeeper: Auditor
) -> None:
    await busy(ledger)
    before = await ledger.balances()
    await ledger.damage("team:default", EVER, -40)
    await ledger.damage("user:stranger", "2026-11-21", 3)
    assert len((await bookkeeper.verify()).mismatches) == 2
    await bookkeeper.thaw("a test did it", rebuild=True)
    after = await ledger.balances()
    assert {k: v for k, v in after.amounts.items() if any(v)} == {
        k: v for k, v in before.amounts.items() if any(v)
    }
    assert (await bookkeeper.verify()).mismatches == ()
    await promote(ledger, "promotion-9", 1)


async def test_a_lost_entry_is_noticed_and_nothing_is_rebuilt_from_the_rest(
    ledger: Either, bookkeeper: Auditor
) -> None:
    await busy(ledger)
    await ledger.lose(5)
    found = await bookkeeper.verify()
    assert "entries 5 to 5 are missing" in found.mismatches
    with pytest.raises(LedgerFrozen, match="entries 5 to 5 are missing"):
        await bookkeeper.thaw("never mind", rebuild=True)


async def test_the_last_entry_is_missed_too(ledger: Either, bookkeeper: Auditor) -> None:
    await busy(ledger)
    last = (await ledger.entries("", 99))[-1].number
    await ledger.lose(last)
    assert f"entries {last} to {last} are missing" in (await bookkeeper.verify()).mismatches


async def test_a_checkpoint_goes_before_every_trimming(ledger: Either, bookkeeper: Auditor) -> None:
    await ledger.trim()
    assert await ledger.checkpoint() is None
    await busy(ledger)
    all_of_it = list(await ledger.entries("", 99))
    await ledger.trim()
    assert await ledger.entries("", 99) == all_of_it
    await bookkeeper.checkpoint()
    kept = await ledger.checkpoint()
    assert kept
    assert (kept.number, kept.entry) == (all_of_it[-1].number, all_of_it[-1].id)
    assert await ledger.entries("", 99) == all_of_it[-1:]
    assert await read(bookkeeper) == all_of_it
    await bookkeeper.checkpoint()
    assert await ledger.checkpoint() == kept  # nothing new, nothing kept

    await ledger.turn(at("2026-11-23"))
    await promote(ledger, "promotion-9", 5)
    found = await bookkeeper.verify()
    assert (found.mismatches, found.checkpoint_number) == ((), kept.number)
    assert found.entries == found.number - kept.number
    await bookkeeper.checkpoint()
    entries = await read(bookkeeper)
    assert [entry.number for entry in entries] == list(range(1, found.number + 1))
    assert kinds(entries[-2:]) == ["reserve", "overrun"]
    day = entries[0].at.date().isoformat()
    assert len(await read(bookkeeper, day)) == len(entries)
    assert await read(bookkeeper, "2999-01-01") == []


async def test_no_checkpoint_of_what_does_not_add_up(ledger: Either, bookkeeper: Auditor) -> None:
    await busy(ledger)
    await ledger.damage(PROJECT, EVER, 1)
    assert (await bookkeeper.checkpoint()).mismatches
    assert await ledger.checkpoint() is None
    assert (await ledger.entries("", 99))[0].number == 1


async def test_a_lost_checkpoint_document_is_no_mismatch(
    ledger: Either, bookkeeper: Auditor, tmp_path: Path
) -> None:
    await busy(ledger)
    await bookkeeper.checkpoint()
    elsewhere = Auditor(store=ledger, artifacts=Artifacts(str(tmp_path / "elsewhere")))
    with pytest.raises(Exception, match="a checkpoint cannot be read"):
        await elsewhere.verify()
    assert await ledger.frozen() == ""


async def test_many_bookkeepers_under_load_agree(ledger: Either, tmp_path: Path) -> None:
    """Side by side, while money moves: never a false alarm, never an entry lost."""
    await ledger.set_budget(PROJECT, 10**9)
    keepers = [
        Auditor(store=ledger, artifacts=Artifacts(str(tmp_path / "artifacts"))) for _ in range(3)
    ]

    async def work(worker: int) -> None:
        for number in range(25):
            await promote(ledger, f"promotion-{worker}-{number}", 100)
            await settle_next(ledger, 40)

    async def keep(keeper: Auditor) -> None:
        for _ in range(12):
            assert (await keeper.checkpoint()).mismatches == ()
            await asyncio.sleep(0)

    async def watch() -> None:
        for _ in range(6):
            numbers = [entry.number for entry in await read(keepers[0])]
            assert numbers == list(range(1, len(numbers) + 1))

    await asyncio.gather(work(0), work(1), *map(keep, keepers), watch())
    assert (await keepers[0].checkpoint()).mismatches == ()
    entries = await read(keepers[1])
    assert kinds(entries).count("settle") == 50
    assert (await ledger.balances()).amounts[PROJECT, EVER] == (0, 2_000)


async def test_what_is_unbalanced_freezes_and_holds_up_nobody_else(redis_url: str) -> None:
    ledger = clocked("redis", redis_url)
    await ledger.turn(at("2026-11-21"))
    await ledger.set_budget("organisation:default", 10**6)
    await promote(ledger, "promotion-1", 1_000, Account(user="a"), reservation_s=1)
    await promote(ledger, "promotion-2", 10, Account(user="b"), reservation_s=1)
    await ledger.damage("user:a", EVER, -1)
    await ledger.turn(at("2026-11-22"))
    assert await ledger.expire_due(10) == 1
    assert (await ledger.get("promotion-2")).state is PromotionState.EXPIRED
    assert (await ledger.get("promotion-1")).state is PromotionState.RESERVED
    assert await ledger.frozen() == "user:a holds less than promotion-1 has reserved"
    await ledger.close()


async def test_a_ledger_of_an_earlier_version_is_refused_in_words(redis_url: str) -> None:
    ledger = clocked("redis", redis_url)
    assert isinstance(ledger, ClockedRedis)
    await ledger._redis.xadd(ledger._key("ledger"), {"kind": "reserve"})
    with pytest.raises(InvalidRequest, match=r"an earlier version, .* another --data-dir"):
        await ledger.open()
    await ledger.close()
