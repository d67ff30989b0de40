"""Days that are over leave the store with a checkpoint, and nothing that they say is lost."""

from __future__ import annotations

import asyncio
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from underpaint.contract.accounting import Period
from underpaint.contract.errors import BudgetExceeded, LedgerUnavailable
from underpaint.contract.pictures import Digest
from underpaint.contract.promotion import Account
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.ledger.audit import Auditor
from underpaint.orchestrator.ledger.checkpoints import dump
from underpaint.orchestrator.ledger.closed import ClosedDays
from underpaint.orchestrator.ledger.replay import AT_ONCE
from underpaint.orchestrator.ledger.spend import by
from underpaint.orchestrator.ledger.store import (
    CAMPAIGN,
    EVER,
    Campaign,
    Checkpoint,
    Closing,
)

from tests.conformance.implementations import Store
from tests.conformance.steps import at, promote, settle_next, whole
from tests.unit.orchestrator.samples import OUTCOME

ANA = Account(team="artists", project="sea", user="ana")
USER = ANA.scopes[-1]
FIRST = date(2026, 11, 21)


def day(number: int) -> str:
    return (FIRST + timedelta(days=number)).isoformat()


async def turn(store: Store, number: int) -> None:
    await store.turn(at(f"{day(number)}T12:00:00"))


async def work(store: Store, auditor: Auditor, days: range) -> None:
    """One promotion a day, and a checkpoint in the evening."""
    for number in days:
        await turn(store, number)
        await promote(store, f"promotion-{number}", 100, ANA)
        for lease in await store.take("test", 9):
            if lease.promotion.id == f"promotion-{number}":
                await store.record(lease, OUTCOME)
                await store.settle(lease, 40 + number, 360)
        assert (await auditor.checkpoint()).mismatches == ()


async def closed(store: Store) -> list[str]:
    return sorted((await whole(store)).closed or ())


async def test_a_day_is_closed_once_it_is_over_and_spend_by_day_still_tells_it(
    wealthy: Store, auditor: Auditor
) -> None:
    await work(wealthy, auditor, range(6))
    assert await closed(wealthy) == [day(number) for number in range(4)]
    kept = await whole(wealthy)
    assert {window for _, window in kept.amounts if len(window) == 10} == {day(4), day(5)}
    lines = by(await wealthy.spend(""), ("day",))
    assert [(line.key, line.charged_usd_micros) for line in lines] == [
        ((day(number),), 40 + number) for number in range(6)
    ]
    for since in range(6):
        told = by(await wealthy.spend(day(since)), ("user", "day"))
        assert [line.key for line in told] == [("ana", day(number)) for number in range(since, 6)]
    assert kept.amounts[USER, EVER] == (0, 6 * 40 + 15)
    assert kept.amounts[USER, "2026-11"] == (0, 6 * 40 + 15)


async def test_a_month_is_closed_once_all_of_its_days_are(wealthy: Store, auditor: Auditor) -> None:
    await work(wealthy, auditor, range(8, 16))
    windows = {window for _, window in (await whole(wealthy)).amounts}
    assert windows == {EVER, "2026-12", day(14), day(15)}
    assert (await whole(wealthy)).amounts[USER, "2026-12"] == (0, 6 * 40 + sum(range(10, 16)))
    await wealthy.damage(USER, EVER, spent=1)
    (mismatch,) = (await auditor.verify()).mismatches
    assert mismatch.startswith(f"{USER} in all: the entries add up to")


async def test_the_month_that_goes_on_stays_though_all_its_days_with_work_are_closed(
    wealthy: Store, auditor: Auditor
) -> None:
    await work(wealthy, auditor, range(2))
    await turn(wealthy, 4)
    for sum_ in (500, 600, 700):  # something to make a checkpoint of
        await wealthy.set_budget(USER, sum_, period=Period.MONTH)
        await auditor.checkpoint()
    assert await closed(wealthy) == [day(0), day(1)]
    assert (await auditor.verify()).mismatches == ()
    (budget,) = await wealthy.limits((USER,))
    assert budget.spent_usd_micros == 40 + 41
    await wealthy.damage(USER, "2026-11", spent=-1)
    await wealthy.damage("user:stranger", "2026-11", spent=1)
    assert len((await auditor.verify()).mismatches) == 2


async def test_a_day_on_which_something_is_open_stays_until_it_is_not(
    wealthy: Store, auditor: Auditor
) -> None:
    await turn(wealthy, 0)
    await promote(wealthy, "stuck-001", 700, ANA)
    await work(wealthy, auditor, range(1, 5))
    assert await closed(wealthy) == [day(1), day(2)]
    await turn(wealthy, 5)
    (lease,) = await wealthy.take("test", 9)
    await wealthy.record(lease, OUTCOME)
    await wealthy.settle(lease, 600, 9_000)
    assert (await whole(wealthy)).amounts[USER, day(0)] == (0, 600)
    await work(wealthy, auditor, range(5, 6))
    assert await closed(wealthy) == [day(number) for number in range(4)]


async def test_a_month_on_which_something_is_open_stays(wealthy: Store, auditor: Auditor) -> None:
    await turn(wealthy, 8)
    await promote(wealthy, "stuck-001", 700, ANA)
    await work(wealthy, auditor, range(9, 14))
    assert (await whole(wealthy)).amounts[USER, "2026-11"] == (700, 49)
    await turn(wealthy, 14)
    (lease,) = await wealthy.take("test", 9)
    await wealthy.release(lease, "enough")
    assert (await auditor.verify()).mismatches == ()
    await work(wealthy, auditor, range(14, 16))
    assert (USER, "2026-11") not in (await whole(wealthy)).amounts


async def test_verify_proves_what_is_left_of_closed_days(wealthy: Store, auditor: Auditor) -> None:
    await work(wealthy, auditor, range(6))
    for window in (EVER, "2026-11", day(4)):
        await wealthy.damage(USER, window, spent=1)
        (mismatch,) = (await auditor.verify()).mismatches
        assert mismatch.startswith(f"{USER} in ")
        await auditor.thaw("a test did it", rebuild=True)
        assert (await auditor.verify()).mismatches == ()
    await wealthy.forget(day(1))
    assert (await auditor.verify()).mismatches == (f"closed days differ: {day(1)}",)


async def test_a_campaign_from_the_past_counts_closed_days(
    wealthy: Store, auditor: Auditor
) -> None:
    await work(wealthy, auditor, range(6))
    budget = await wealthy.set_budget(USER, 10_000, from_day=day(1), until_day=day(4))
    assert budget.spent_usd_micros == sum(40 + number for number in range(1, 5))
    budget = await wealthy.set_budget(USER, 600, from_day=day(2))
    spent = sum(40 + number for number in range(2, 6))
    assert budget.spent_usd_micros == spent
    assert (await auditor.verify()).mismatches == ()
    with pytest.raises(BudgetExceeded, match=USER):
        await promote(wealthy, "promotion-x", 600 - spent + 1, ANA)
    await work(wealthy, auditor, range(6, 10))
    assert day(6) in await closed(wealthy)
    (budget,) = await wealthy.limits((USER,))
    assert budget.spent_usd_micros == sum(40 + number for number in range(2, 10))
    await wealthy.damage(USER, CAMPAIGN, spent=1)
    (mismatch,) = (await auditor.verify()).mismatches
    assert "in its campaign" in mismatch
    await auditor.thaw("a test did it", rebuild=True)
    assert (await auditor.verify()).mismatches == ()
    assert [each.spent_usd_micros for each in await wealthy.limits((USER,))] == [
        budget.spent_usd_micros
    ]


async def test_a_campaign_set_while_a_day_is_being_closed_counts_it_once(
    wealthy: Store, auditor: Auditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await work(wealthy, auditor, range(4))
    await turn(wealthy, 4)
    await promote(wealthy, "promotion-4", 100, ANA)
    await settle_next(wealthy, 44)
    counted = ClosedDays.spent
    begun = False

    async def spent(
        self: ClosedDays, days: dict[str, str], campaigns: list[Campaign]
    ) -> dict[Campaign, int]:
        nonlocal begun
        if not begun:
            begun = True
            assert (await auditor.checkpoint()).mismatches == ()
        return await counted(self, days, campaigns)

    before = await closed(wealthy)
    monkeypatch.setattr(ClosedDays, "spent", spent)
    budget = await wealthy.set_budget(USER, 10_000, from_day=day(0))
    assert len(await closed(wealthy)) == len(before) + 1
    assert budget.spent_usd_micros == sum(40 + number for number in range(5))
    assert (await auditor.verify()).mismatches == ()


async def test_a_day_that_is_over_never_comes_again(wealthy: Store, auditor: Auditor) -> None:
    """Even if the clock is put back: what is closed would be wrong."""
    await work(wealthy, auditor, range(6))
    assert await wealthy.today() == day(5)
    await turn(wealthy, 1)
    assert await wealthy.today() == day(5)  # the first day that is not over
    promoted = await promote(wealthy, "promotion-back", 100, ANA)
    await settle_next(wealthy, 7)
    assert (await whole(wealthy)).amounts[USER, day(5)] == (0, 45 + 7)
    assert (await auditor.checkpoint()).mismatches == ()
    assert promoted.id in {entry.promotion_id for entry in await wealthy.entries("", 9)}
    await turn(wealthy, 9)
    assert await wealthy.today() == day(9)


async def test_spend_of_a_day_that_cannot_be_read_is_unavailable_and_no_mismatch(
    wealthy: Store, auditor: Auditor, artifacts: Artifacts, tmp_path: Path
) -> None:
    await work(wealthy, auditor, range(4))
    names = (await whole(wealthy)).closed or {}
    lost = tmp_path / "artifacts" / names[day(1)][:2] / names[day(1)]
    kept = lost.read_bytes()
    lost.unlink()
    with pytest.raises(LedgerUnavailable, match=f"the spend of {day(1)} cannot be read"):
        await wealthy.spend("")
    assert len(await wealthy.spend(day(2))) == 2
    assert (await auditor.verify()).mismatches == ()
    lost.write_bytes(kept)
    assert len(await wealthy.spend("")) == 4


async def test_checkpoints_side_by_side_close_each_day_once(
    wealthy: Store, artifacts: Artifacts
) -> None:
    auditors = [Auditor(store=wealthy, artifacts=artifacts) for _ in range(3)]

    async def keep(auditor: Auditor) -> None:
        for _ in range(3):
            assert (await auditor.checkpoint()).mismatches == ()
            assert (await auditor.verify()).mismatches == ()
            assert (await wealthy.spend(""))[0].day == day(0)

    for number in range(5):
        await turn(wealthy, number)
        await promote(wealthy, f"promotion-{number}", 100, ANA)
        await settle_next(wealthy, 40)
        await promote(wealthy, f"cancelled-{number}", 100, ANA)
        await asyncio.gather(wealthy.cancel(f"cancelled-{number}"), *map(keep, auditors))
    assert len(await closed(wealthy)) >= 3
    assert [cell.promotions for cell in await wealthy.spend("")] == [1] * 5


async def test_a_checkpoint_made_from_another_closes_nothing(
    wealthy: Store, auditor: Auditor
) -> None:
    await work(wealthy, auditor, range(3))
    kept, before = await wealthy.checkpoint(), await whole(wealthy)
    stale = Checkpoint(entry="1-1", number=1, sha256="0" * 64)
    closing = Closing(days={day(2): "1" * 64}, months=["2026-11"], over=day(2))
    assert not await wealthy.keep_checkpoint(stale, stale, closing)
    assert (await wealthy.checkpoint(), await whole(wealthy)) == (kept, before)


async def test_a_checkpoint_of_the_time_before_days_were_closed_is_read(
    wealthy: Store, auditor: Auditor, artifacts: Artifacts
) -> None:
    for number in range(3):
        await turn(wealthy, number)
        await promote(wealthy, f"promotion-{number}", 100, ANA)
        await settle_next(wealthy, 40)
    await promote(wealthy, "stuck-001", 70, ANA)
    entries = list(await wealthy.entries("", 99))
    kept = await whole(wealthy)

    async def put(data: bytes) -> str:
        digest = Digest.of(data, "application/json")
        await artifacts.put(data, digest)
        return digest.sha256

    fold: dict[str, Any] = {
        "entry": kept.entry,
        "number": kept.number,
        "amounts": [
            [scope, window, *amounts]
            for (scope, window), amounts in kept.amounts.items()
            if len(window) == 10
        ],
        "cells": [
            [
                cell.day,
                cell.account.scopes,
                cell.model,
                cell.promotions,
                cell.charged_usd_micros,
                cell.cloud_only_usd_micros,
            ]
            for cell in kept.spend
        ],
        "open": [
            [name, held.day, held.scopes, held.usd_micros]
            for name, held in kept.open.items()
            if held
        ],
    }
    document = {"before": "", "entries": await put(b"[" + dump(entries) + b"]"), "fold": fold}
    old = Checkpoint(
        entry=kept.entry, number=kept.number, sha256=await put(json.dumps(document).encode())
    )
    assert await wealthy.keep_checkpoint(old, None, Closing())
    await wealthy.trim()
    assert (await auditor.verify()).mismatches == ()
    await work(wealthy, auditor, range(3, 6))
    assert await closed(wealthy) == [day(0), day(1), day(3)]  # something is open since day 2
    told = [entry.number async for batch in auditor.read("") for entry in batch]
    assert told == list(range(1, len(told) + 1))


async def test_no_part_of_the_balances_is_large(wealthy: Store, auditor: Auditor) -> None:
    """However many there are: nobody waits for long until a part is read."""
    many = 2 * AT_ONCE + 50
    for number in range(many):
        await promote(wealthy, f"promotion-{number:04d}", 10, Account(user=f"u{number:04d}"))
    for _ in range(many // 2):
        await settle_next(wealthy, 4)
    sizes: list[int] = []
    names: set[tuple[str, str]] = set()
    async for part in wealthy.parts():
        sizes.append(len(part.amounts) + len(part.spend) + len(part.open))
        names |= part.amounts.keys()
    assert max(sizes) < 1.5 * AT_ONCE
    assert len({scope for scope, _ in names}) == many + 3
    found = await auditor.verify()
    assert (found.mismatches, found.reservations) == ((), many - many // 2)
    assert found.balances == 3 * (many + 3)
