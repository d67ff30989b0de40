"""Finished promotions answer from the archive as they did before."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from underpaint.contract.errors import LedgerUnavailable, PromotionConflict, PromotionNotFound
from underpaint.contract.promotion import Account
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.ledger.audit import Auditor
from underpaint.orchestrator.promotions.archive import Archive, Archivist

from tests.conformance.implementations import Store
from tests.conformance.steps import at, made, promote


async def pages(store: Store, size: int, organisation: str = "") -> list[str]:
    ids: list[str] = []
    token = ""
    while True:
        page = await store.page(size, token, organisation)
        ids += [promotion.id for promotion in page.promotions]
        token = page.next_token
        if not token:
            return ids


async def made_behind(store: Store) -> None:
    """One that is cancelled while another, made before it, is still reserved."""
    await promote(store, "later-001", 100)
    await store.cancel("later-001")


async def test_what_is_archived_still_answers(
    wealthy: Store, archivist: Archivist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("underpaint.orchestrator.promotions.archive.AT_ONCE", 3)
    before = await made(wealthy, 8)
    endings = [(await wealthy.events(each.id, "", 99))[-1] for each in before]
    await promote(wealthy, "promotion-live", 100)
    assert await archivist.archive_all() == 8
    assert await archivist.archive_all() == 0
    for promotion, ending in zip(before, endings, strict=True):
        assert await wealthy.get(promotion.id) == promotion
        assert await wealthy.cancel(promotion.id) == promotion
        (told,) = await wealthy.events(promotion.id, "", 99)
        assert (told.id, told.state) == (ending.id, ending.state)
        assert await wealthy.events(promotion.id, ending.id, 99) == []
    every = ["promotion-live", *(each.id for each in reversed(before))]
    for size in (1, 2, 3, 4, 9, 50):
        assert await pages(wealthy, size) == every
    with pytest.raises(PromotionNotFound):
        await wealthy.get("promotion-never")


async def test_a_replay_of_an_archived_id_returns_what_became_of_it(
    wealthy: Store, archivist: Archivist
) -> None:
    settled, released = await made(wealthy, 2)
    await archivist.archive_all()
    entries = len(await wealthy.entries("", 99))
    assert await promote(wealthy, settled.id, 100) == settled
    assert await promote(wealthy, released.id, 100) == released
    with pytest.raises(PromotionConflict, match=f"{settled.id} is taken"):
        await promote(wealthy, settled.id, 100, Account(user="other"))
    assert len(await wealthy.entries("", 99)) == entries
    assert await wealthy.take("test", 9) == []


async def test_only_what_has_been_finished_for_long_is_archived(
    wealthy: Store, artifacts: Artifacts
) -> None:
    archivist = Archivist(store=wealthy, archive=Archive(artifacts), kept_s=7 * 86_400)
    await made(wealthy, 2, "early")
    await wealthy.turn(at("2026-11-28T11:59:59"))
    assert await archivist.archive_all() == 0
    await promote(wealthy, "stuck-001", 100)
    await made_behind(wealthy)
    await wealthy.turn(at("2026-12-20"))
    assert await archivist.archive_all() == 3  # and not the one that is still reserved
    await wealthy.cancel("stuck-001")
    assert await archivist.archive_all() == 0
    await wealthy.turn(at("2026-12-27"))
    assert await archivist.archive_all() == 1
    assert await pages(wealthy, 2) == ["later-001", "stuck-001", "early-001", "early-000"]
    (anew,) = await made(wealthy, 1, "anew")
    assert (await wealthy.page(1, "")).promotions == (anew,)


async def test_one_that_waits_stops_nobody_else_from_being_archived(
    wealthy: Store, archivist: Archivist, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more that are unfinished than are looked at in one go, each between finished ones."""
    monkeypatch.setattr("underpaint.orchestrator.promotions.archive.AT_ONCE", 4)
    monkeypatch.setattr("underpaint.orchestrator.promotions.archive.LOOKED_AT", 3)
    live = [f"stuck-{number:03d}" for number in range(5)]
    done: list[str] = []
    for promotion_id in live:
        await promote(wealthy, promotion_id, 100)
    for number in range(11):
        done.append(f"done-{number:03d}")
        await promote(wealthy, done[-1], 100)
        await wealthy.cancel(done[-1])
        if number % 3 == 1:
            live.append(f"stuck-between-{number:03d}")
            await promote(wealthy, live[-1], 100)
    for number in range(3):  # behind all that is archived
        live.append(f"stuck-last-{number:03d}")
        await promote(wealthy, live[-1], 100)
    every = await pages(wealthy, 50)
    before = {each: await wealthy.get(each) for each in every}

    async def all_is_found() -> None:
        for size in (1, 2, 3, 7, 50):
            assert await pages(wealthy, size) == every
        assert {each: await wealthy.get(each) for each in every} == before

    assert await archivist.archive_all() == len(done)
    await all_is_found()
    assert await archivist.archive_all() == 0
    for promotion_id in reversed(live):  # each belongs among those that went before it
        before[promotion_id] = await wealthy.cancel(promotion_id)
        assert await archivist.archive_all() == 1
        await all_is_found()
    assert await archivist.archive_all() == 0


async def test_what_others_archived_meanwhile_is_not_archived_again(
    wealthy: Store, artifacts: Artifacts
) -> None:
    archive = Archive(artifacts)
    for number in range(4):
        await promote(wealthy, f"promotion-{number:03d}", 100)
    await wealthy.cancel("promotion-001")
    await wealthy.cancel("promotion-003")
    due, _ = await wealthy.finished(0, 10, 0)
    assert [each.number for each in due] == [2, 4]
    first = await archive.put(due)
    assert await wealthy.archive(first, None, due)
    assert not await wealthy.archive(first, None, due)
    assert not await wealthy.archive(first, first, due)

    await wealthy.cancel("promotion-000")
    await wealthy.cancel("promotion-002")
    one, other = (await wealthy.finished(0, 10, 0))[0]
    assert not await wealthy.archive(await archive.put([one]), None, [one])
    assert await wealthy.segment(one.number) == first
    second = await archive.put([one], first)
    assert await wealthy.archive(second, first, [one])
    assert not await wealthy.archive(await archive.put([other], first), first, [other])
    assert await wealthy.archive(await archive.put([other], second), second, [other])
    assert await wealthy.segment(5) is None
    assert await pages(wealthy, 3) == [f"promotion-{number:03d}" for number in (3, 2, 1, 0)]


async def test_one_that_ended_lately_stops_nobody_else_either(
    wealthy: Store, artifacts: Artifacts
) -> None:
    archivist = Archivist(store=wealthy, archive=Archive(artifacts), kept_s=7 * 86_400)
    await promote(wealthy, "ended-lately", 100)
    await made_behind(wealthy)
    await wealthy.turn(at("2026-12-20"))
    await wealthy.cancel("ended-lately")
    await promote(wealthy, "made-lately", 100)
    await wealthy.cancel("made-lately")
    assert await archivist.archive_all() == 1
    assert [each.promotion.id for each in (await wealthy.finished(0, 9, 0))[0]] == [
        "ended-lately",
        "made-lately",
    ]


async def test_stragglers_are_archived_once_by_many_side_by_side(
    wealthy: Store, artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("underpaint.orchestrator.promotions.archive.AT_ONCE", 4)
    ids = [f"promotion-{number:03d}" for number in range(24)]
    for promotion_id in ids:
        await promote(wealthy, promotion_id, 100)
    archivists = [
        Archivist(store=wealthy, archive=Archive(artifacts), kept_s=0.0) for _ in range(3)
    ]
    count = 0
    for part in (ids[::3], ids[1::3], ids[2::3]):
        for promotion_id in part:
            await wealthy.cancel(promotion_id)
        count += sum(await asyncio.gather(*(each.archive_all() for each in archivists)))
    for _ in range(len(ids)):  # one that saw another at it has left the rest for later
        count += await archivists[0].archive_all()
    assert count == len(ids)
    assert [(await wealthy.get(each)).id for each in ids] == ids
    assert await pages(wealthy, 5) == ids[::-1]


async def test_archiving_side_by_side_moves_each_once(
    wealthy: Store, artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("underpaint.orchestrator.promotions.archive.AT_ONCE", 4)
    before = await made(wealthy, 20)
    archivists = [
        Archivist(store=wealthy, archive=Archive(artifacts), kept_s=0.0) for _ in range(3)
    ]
    counts = await asyncio.gather(*(each.archive_all() for each in archivists))
    counts.append(await archivists[0].archive_all())
    assert sum(counts) == 20
    assert [await wealthy.get(each.id) for each in before] == before
    assert await pages(wealthy, 7) == [each.id for each in reversed(before)]


async def test_the_ledger_adds_up_whatever_is_archived(
    wealthy: Store, archivist: Archivist, auditor: Auditor
) -> None:
    await made(wealthy, 4)
    await auditor.checkpoint()
    await archivist.archive_all()
    await made(wealthy, 2, "more")
    assert (await auditor.verify()).mismatches == ()
    (cell,) = await wealthy.spend("")
    assert (cell.promotions, cell.charged_usd_micros) == (3, 120)


async def test_an_archive_out_of_reach_is_unavailable_not_unknown(
    wealthy: Store, archivist: Archivist, tmp_path: Path
) -> None:
    (promotion,) = await made(wealthy, 1)
    await archivist.archive_all()
    (tmp_path / "artifacts").rename(tmp_path / "elsewhere")
    with pytest.raises(LedgerUnavailable, match="promotions 1 to 1 cannot be read"):
        await wealthy.get(promotion.id)
    with pytest.raises(LedgerUnavailable):
        await promote(wealthy, promotion.id, 100)
    (tmp_path / "elsewhere").rename(tmp_path / "artifacts")
    assert await wealthy.get(promotion.id) == promotion


async def test_pages_of_one_organisation_are_complete_whatever_is_archived(
    store: Store, archivist: Archivist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("underpaint.orchestrator.promotions.archive.AT_ONCE", 4)
    ids: dict[str, list[str]] = {"ours": [], "theirs": []}
    for organisation in ids:
        await store.set_budget(f"organisation:{organisation}", 10**9)
    for number in range(24):
        organisation = "theirs" if number % 4 else "ours"
        ids[organisation].append(f"{organisation}/promotion-{number:03d}")
        account = Account(organisation=organisation)
        await promote(store, ids[organisation][-1], 100, account)
        if number % 3 and number < 20:
            await store.cancel(ids[organisation][-1])
    assert await archivist.archive_all() == 13
    for organisation, every in ids.items():
        for size in (1, 2, 3, 5, 50):
            assert await pages(store, size, organisation) == every[::-1]
