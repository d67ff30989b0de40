"""Entries and the balances that they add up to: the audit, the freeze, checkpoints."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from underpaint.contract.accounting import LedgerEntry, Period
from underpaint.contract.errors import InvalidRequest, LedgerFrozen
from underpaint.contract.promotion import Account, PromotionState
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.ledger.audit import Auditor
from underpaint.orchestrator.ledger.store import CAMPAIGN, EVER, Balances

from tests.conformance.implementations import Capability, Store
from tests.conformance.steps import PROJECT, at, kinds, promote, settle_next, whole


async def read(auditor: Auditor, since_day: str = "") -> list[LedgerEntry]:
    return [entry async for batch in auditor.read(since_day) for entry in batch]


async def busy(store: Store) -> None:
    """Two days of work with a limit of each kind; one promotion waits, one is reserved."""
    await store.set_budget(PROJECT, 10**6, period=Period.DAY)
    await store.set_budget("team:default/default", 10**6, from_day="2026-11-22")
    await store.set_budget("organisation:default", 100, soft=True)
    for number in range(4):
        await promote(store, f"promotion-{number}", 1_000, Account(project=f"p{number % 2}"))
    await store.turn(at("2026-11-22"))
    await settle_next(store, 700)
    await settle_next(store, 0)
    await store.cancel("promotion-2")
    await promote(store, "promotion-4", 50)
    await settle_next(store, 1_000)


async def test_verify_says_how_much_was_compared(store: Store, auditor: Auditor) -> None:
    await busy(store)
    found = await auditor.verify()
    assert (found.mismatches, found.frozen) == ((), "")
    assert found.entries == found.number == len(await store.entries("", 99))
    assert found.reservations == 1
    assert found.balances >= 20
    assert await store.frozen() == ""


@pytest.mark.parametrize("window", [EVER, "2026-11", "2026-11-21", CAMPAIGN])
async def test_a_balance_off_by_one_freezes_spending_with_an_alarm(
    store: Store, auditor: Auditor, window: str, caplog: pytest.LogCaptureFixture
) -> None:
    await busy(store)
    if window == CAMPAIGN:
        await store.damage("team:default/default", window, spent=1)
    else:
        await store.damage("team:default/default", window, reserved=1)
    with caplog.at_level(logging.CRITICAL):
        found = await auditor.verify()
    (mismatch,) = found.mismatches
    assert mismatch.startswith("team:default/default in ")
    assert "the entries add up to" in mismatch
    assert "ALARM: spending is frozen" in caplog.text
    assert found.frozen == await store.frozen() != ""
    assert (await store.entries("", 99))[-1].kind == "freeze"


async def test_frozen_refuses_new_reservations_only(store: Store, auditor: Auditor) -> None:
    await busy(store)
    stored = await store.get("promotion-4")
    await store.freeze("a hole")
    await store.freeze("another")
    with pytest.raises(
        LedgerFrozen, match=r"an operator can look into it with `underpaint ledger verify`"
    ):
        await promote(store, "promotion-9", 1)
    assert await promote(store, "promotion-4", 50) == stored
    if stored.state is PromotionState.RESERVED:
        await settle_next(store, 50)
    with pytest.raises(InvalidRequest, match="say why"):
        await auditor.thaw("  ", rebuild=False)
    assert await auditor.thaw("looked at it", rebuild=False) == "a hole"
    assert await auditor.thaw("again", rebuild=False) == ""
    await promote(store, "promotion-9", 1)
    freezes = [e for e in await store.entries("", 99) if e.kind in ("freeze", "thaw")]
    assert [(e.kind, e.note) for e in freezes] == [("freeze", "a hole"), ("thaw", "looked at it")]
    assert (await auditor.verify()).mismatches == ()


async def test_thaw_can_rebuild_the_balances_from_the_entries(
    store: Store, auditor: Auditor
) -> None:
    await busy(store)
    before = await whole(store)
    await store.damage("team:default/default", EVER, reserved=-40)
    await store.damage("user:stranger", "2026-11-21", reserved=3)
    assert len((await auditor.verify()).mismatches) == 2
    await auditor.thaw("a test did it", rebuild=True)
    after = await whole(store)
    assert {k: v for k, v in after.amounts.items() if any(v)} == {
        k: v for k, v in before.amounts.items() if any(v)
    }
    assert (await auditor.verify()).mismatches == ()
    await promote(store, "promotion-9", 1)


async def test_a_lost_entry_is_noticed_and_nothing_is_rebuilt_from_the_rest(
    store: Store, auditor: Auditor
) -> None:
    await busy(store)
    await store.lose(5)
    found = await auditor.verify()
    assert "entries 5 to 5 are missing" in found.mismatches
    with pytest.raises(LedgerFrozen, match="entries 5 to 5 are missing"):
        await auditor.thaw("never mind", rebuild=True)


async def test_the_last_entry_is_missed_too(store: Store, auditor: Auditor) -> None:
    await busy(store)
    last = (await store.entries("", 99))[-1].number
    await store.lose(last)
    assert f"entries {last} to {last} are missing" in (await auditor.verify()).mismatches


async def test_a_checkpoint_goes_before_every_trimming(store: Store, auditor: Auditor) -> None:
    await store.trim()
    assert await store.checkpoint() is None
    await busy(store)
    all_of_it = list(await store.entries("", 99))
    await store.trim()
    assert await store.entries("", 99) == all_of_it
    await auditor.checkpoint()
    kept = await store.checkpoint()
    assert kept
    assert (kept.number, kept.entry) == (all_of_it[-1].number, all_of_it[-1].id)
    assert await store.entries("", 99) == all_of_it[-1:]
    assert await read(auditor) == all_of_it
    await auditor.checkpoint()
    assert await store.checkpoint() == kept  # nothing new, nothing kept

    await store.turn(at("2026-11-23"))
    await promote(store, "promotion-9", 5)
    found = await auditor.verify()
    assert (found.mismatches, found.checkpoint_number) == ((), kept.number)
    assert found.entries == found.number - kept.number
    await auditor.checkpoint()
    entries = await read(auditor)
    assert [entry.number for entry in entries] == list(range(1, found.number + 1))
    assert kinds(entries[-2:]) == ["reserve", "overrun"]
    day = entries[0].at.date().isoformat()
    assert len(await read(auditor, day)) == len(entries)
    assert await read(auditor, "2999-01-01") == []


async def test_no_checkpoint_of_what_does_not_add_up(store: Store, auditor: Auditor) -> None:
    await busy(store)
    await store.damage(PROJECT, EVER, reserved=1)
    assert (await auditor.checkpoint()).mismatches
    assert await store.checkpoint() is None
    assert (await store.entries("", 99))[0].number == 1


async def test_a_lost_checkpoint_document_is_no_mismatch(
    store: Store, auditor: Auditor, tmp_path: Path
) -> None:
    await busy(store)
    await auditor.checkpoint()
    elsewhere = Auditor(store=store, artifacts=Artifacts(str(tmp_path / "elsewhere")))
    with pytest.raises(Exception, match="a checkpoint cannot be read"):
        await elsewhere.verify()
    assert await store.frozen() == ""


async def test_many_auditors_under_load_agree(store: Store, tmp_path: Path) -> None:
    """Side by side, while money moves: never a false alarm, never an entry lost."""
    await store.set_budget(PROJECT, 10**9)
    keepers = [
        Auditor(store=store, artifacts=Artifacts(str(tmp_path / "artifacts"))) for _ in range(3)
    ]

    async def work(worker: int) -> None:
        for number in range(25):
            await promote(store, f"promotion-{worker}-{number}", 100)
            await settle_next(store, 40)

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
    assert (await whole(store)).amounts[PROJECT, EVER] == (0, 2_000)


class Interrupted:
    """A store that something happens to after the first part of its balances was read."""

    def __init__(self, store: Store, happens: Callable[[], Awaitable[object]]) -> None:
        self._store = store
        self._happens = happens
        self.times = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def parts(self) -> AsyncGenerator[Balances]:
        self.times += 1
        first = self.times == 1
        async for part in self._store.parts():
            yield part
            if first:
                first = False
                await self._happens()


async def test_an_audit_begins_again_when_another_checkpoint_was_kept_meanwhile(
    store: Store, auditor: Auditor, artifacts: Artifacts
) -> None:
    """The entries that it lacks are trimmed, and days that it compares are closed."""
    await busy(store)
    await auditor.checkpoint()
    await store.turn(at("2026-11-23"))
    await promote(store, "promotion-8", 50)

    async def happens() -> None:
        for number in range(3):
            await promote(store, f"promotion-9-{number}", 10)
        assert (await auditor.checkpoint()).mismatches == ()

    interrupted: Any = Interrupted(store, happens)
    found = await Auditor(store=interrupted, artifacts=artifacts).verify()
    assert (found.mismatches, found.frozen) == ((), "")
    assert interrupted.times == 2


async def test_money_that_moves_during_an_audit_is_no_mismatch(
    store: Store, auditor: Auditor, artifacts: Artifacts
) -> None:
    await busy(store)

    async def happens() -> None:
        await promote(store, "promotion-9", 50)
        await settle_next(store, 50)
        await store.set_budget("team:default/default", 10**6, from_day="2026-11-21")

    interrupted: Any = Interrupted(store, happens)
    found = await Auditor(store=interrupted, artifacts=artifacts).verify()
    assert (found.mismatches, interrupted.times) == ((), 1)
    assert found.number == (await store.entries("", 999))[-1].number
    await auditor.checkpoint()


async def test_reading_goes_on_where_it_was_when_entries_are_trimmed_meanwhile(
    store: Store, auditor: Auditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("underpaint.orchestrator.ledger.audit.AT_ONCE", 4)
    await busy(store)
    numbers: list[int] = []
    async for batch in auditor.read(""):
        numbers += [entry.number for entry in batch]
        if len(numbers) < 9:
            await store.set_budget(PROJECT, 10**6 + len(numbers))
        await auditor.checkpoint()
    assert numbers == list(range(1, numbers[-1] + 1))
    assert numbers[-1] == (await store.entries("", 9))[-1].number


@pytest.mark.needs(Capability.STOPS_AT_AN_IMBALANCE)
async def test_what_is_unbalanced_freezes_and_holds_up_nobody_else(store: Store) -> None:
    await store.set_budget("organisation:default", 10**6)
    await promote(store, "promotion-1", 1_000, Account(user="a"), reservation_s=1)
    await promote(store, "promotion-2", 10, Account(user="b"), reservation_s=1)
    await store.damage("user:default/default/default/a", EVER, reserved=-1)
    await store.turn(at("2026-11-22"))
    assert await store.expire_due(10) == 1
    assert (await store.get("promotion-2")).state is PromotionState.EXPIRED
    assert (await store.get("promotion-1")).state is PromotionState.RESERVED
    assert (
        await store.frozen()
        == "user:default/default/default/a holds less than promotion-1 has reserved"
    )


async def test_a_version_of_the_prices_stands_for_the_same_prices_for_ever(store: Store) -> None:
    assert await store.keep_prices("2026-11", "a digest")
    assert await store.keep_prices("2026-11", "a digest")
    assert not await store.keep_prices("2026-11", "another")
    assert await store.keep_prices("2026-12", "another")
    assert await store.keep_prices("2026-11", "a digest")
