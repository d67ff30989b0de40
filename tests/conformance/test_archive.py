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


async def pages(store: Store, size: int) -> list[str]:
    ids: list[str] = []
    token = ""
    while True:
        page = await store.page(size, token)
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


async def test_only_what_has_been_finished_for_long_is_archived_in_order(
    wealthy: Store, artifacts: Artifacts
) -> None:
    archivist = Archivist(store=wealthy, archive=Archive(artifacts), kept_s=7 * 86_400)
    await made(wealthy, 2, "early")
    await wealthy.turn(at("2026-11-28T11:59:59"))
    assert await archivist.archive_all() == 0
    await promote(wealthy, "stuck-001", 100)
    await made_behind(wealthy)
    await wealthy.turn(at("2026-12-20"))
    assert await archivist.archive_all() == 2  # what was made after the stuck one waits for it
    await wealthy.cancel("stuck-001")
    assert await archivist.archive_all() == 0
    await wealthy.turn(at("2026-12-27"))
    assert await archivist.archive_all() == 2
    assert await pages(wealthy, 2) == ["later-001", "stuck-001", "early-001", "early-000"]
    (anew,) = await made(wealthy, 1, "anew")
    assert (await wealthy.page(1, "")).promotions == (anew,)


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
