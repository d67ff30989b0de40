"""Finished promotions answer from the archive as they did from Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis import Redis
from underpaint.contract.errors import LedgerUnavailable, PromotionConflict, PromotionNotFound
from underpaint.contract.promotion import Account, Promotion
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.ledger.audit import Auditor
from underpaint.orchestrator.promotions.archive import Archive, Archivist
from underpaint.orchestrator.promotions.store import PromotionStore

from tests.integration.orchestrator.clocked import (
    ClockedMemory,
    ClockedRedis,
    at,
    clocked,
    promote,
)
from tests.unit.orchestrator.samples import OUTCOME

Either = ClockedMemory | ClockedRedis
KEPT_S = 0.0
MOST_TOMBSTONE_BYTES = 90  # of an id of 26 characters, among many


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(str(tmp_path / "artifacts"))


@pytest.fixture(params=["memory", "redis"])
async def ledger(
    request: pytest.FixtureRequest, redis_url: str, artifacts: Artifacts
) -> AsyncIterator[Either]:
    kind = clocked(request.param, redis_url, Archive(artifacts))
    await kind.turn(at("2026-11-21"))
    await kind.open()
    await kind.set_budget("organisation:default", 10**9)
    yield kind
    await kind.close()


@pytest.fixture
def archivist(ledger: Either, artifacts: Artifacts) -> Archivist:
    return Archivist(store=ledger, archive=Archive(artifacts), kept_s=KEPT_S)


async def made(ledger: PromotionStore, count: int, prefix: str = "promotion") -> list[Promotion]:
    """So many, settled and released in turn."""
    for number in range(count):
        await promote(ledger, f"{prefix}-{number:03d}", 100)
        (lease,) = await ledger.take("test", 1)
        if number % 2:
            await ledger.release(lease, "the engine ran out of memory")
        else:
            await ledger.record(lease, OUTCOME)
            await ledger.settle(lease, 40, 360)
    return [await ledger.get(f"{prefix}-{number:03d}") for number in range(count)]


async def pages(ledger: PromotionStore, size: int) -> list[str]:
    ids: list[str] = []
    token = ""
    while True:
        page = await ledger.page(size, token)
        ids += [promotion.id for promotion in page.promotions]
        token = page.next_token
        if not token:
            return ids


async def test_what_is_archived_still_answers(
    ledger: Either, archivist: Archivist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("underpaint.orchestrator.promotions.archive.AT_ONCE", 3)
    before = await made(ledger, 8)
    endings = [(await ledger.events(each.id, "", 99))[-1] for each in before]
    await promote(ledger, "promotion-live", 100)
    assert await archivist.archive_all() == 8
    assert await archivist.archive_all() == 0
    for promotion, ending in zip(before, endings, strict=True):
        assert await ledger.get(promotion.id) == promotion
        assert await ledger.cancel(promotion.id) == promotion
        (told,) = await ledger.events(promotion.id, "", 99)
        assert (told.id, told.state) == (ending.id, ending.state)
        assert await ledger.events(promotion.id, ending.id, 99) == []
    every = ["promotion-live", *(each.id for each in reversed(before))]
    for size in (1, 2, 3, 4, 9, 50):
        assert await pages(ledger, size) == every
    with pytest.raises(PromotionNotFound):
        await ledger.get("promotion-never")


async def test_a_replay_of_an_archived_id_returns_what_became_of_it(
    ledger: Either, archivist: Archivist
) -> None:
    settled, released = await made(ledger, 2)
    await archivist.archive_all()
    entries = len(await ledger.entries("", 99))
    assert await promote(ledger, settled.id, 100) == settled
    assert await promote(ledger, released.id, 100) == released
    with pytest.raises(PromotionConflict, match=f"{settled.id} is taken"):
        await promote(ledger, settled.id, 100, Account(user="other"))
    assert len(await ledger.entries("", 99)) == entries
    assert await ledger.take("test", 9) == []


async def test_only_what_has_been_finished_for_long_is_archived_in_order(
    ledger: Either, artifacts: Artifacts
) -> None:
    archivist = Archivist(store=ledger, archive=Archive(artifacts), kept_s=7 * 86_400)
    await made(ledger, 2, "early")
    await ledger.turn(at("2026-11-27T23:59:59"))
    assert await archivist.archive_all() == 0
    await promote(ledger, "stuck-001", 100)
    await made_behind(ledger)
    await ledger.turn(at("2026-12-20"))
    assert await archivist.archive_all() == 2  # what was made after the stuck one waits for it
    await ledger.cancel("stuck-001")
    assert await archivist.archive_all() == 0
    await ledger.turn(at("2026-12-27"))
    assert await archivist.archive_all() == 2
    assert await pages(ledger, 2) == ["later-001", "stuck-001", "early-001", "early-000"]
    (anew,) = await made(ledger, 1, "anew")
    assert (await ledger.page(1, "")).promotions == (anew,)


async def made_behind(ledger: PromotionStore) -> None:
    """One that is cancelled while another, made before it, is still reserved."""
    await promote(ledger, "later-001", 100)
    await ledger.cancel("later-001")


async def test_archiving_side_by_side_moves_each_once(
    ledger: Either, artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("underpaint.orchestrator.promotions.archive.AT_ONCE", 4)
    before = await made(ledger, 20)
    archivists = [
        Archivist(store=ledger, archive=Archive(artifacts), kept_s=KEPT_S) for _ in range(3)
    ]
    counts = await asyncio.gather(*(each.archive_all() for each in archivists))
    counts.append(await archivists[0].archive_all())
    assert sum(counts) == 20
    assert [await ledger.get(each.id) for each in before] == before
    assert await pages(ledger, 7) == [each.id for each in reversed(before)]


async def test_the_books_balance_whatever_is_archived(
    ledger: Either, archivist: Archivist, artifacts: Artifacts
) -> None:
    await made(ledger, 4)
    bookkeeper = Auditor(store=ledger, artifacts=artifacts)
    await bookkeeper.checkpoint()
    await archivist.archive_all()
    await made(ledger, 2, "more")
    assert (await bookkeeper.verify()).mismatches == ()
    (cell,) = await ledger.spend("")
    assert (cell.promotions, cell.charged_usd_micros) == (3, 120)


async def test_an_archive_out_of_reach_is_unavailable_not_unknown(
    ledger: Either, archivist: Archivist, tmp_path: Path
) -> None:
    (promotion,) = await made(ledger, 1)
    await archivist.archive_all()
    (tmp_path / "artifacts").rename(tmp_path / "elsewhere")
    with pytest.raises(LedgerUnavailable, match="promotions 1 to 1 cannot be read"):
        await ledger.get(promotion.id)
    with pytest.raises(LedgerUnavailable):
        await promote(ledger, promotion.id, 100)
    (tmp_path / "elsewhere").rename(tmp_path / "artifacts")
    assert await ledger.get(promotion.id) == promotion


async def test_a_tombstone_is_small(redis_url: str, artifacts: Artifacts) -> None:
    """Measured with ids as the SDK makes them, against the record it takes the place of."""
    ledger = clocked("redis", redis_url, Archive(artifacts))
    assert isinstance(ledger, ClockedRedis)
    await ledger.turn(at("2026-11-21"))
    await ledger.set_budget("organisation:default", 10**9)
    (promotion,) = await made(ledger, 1)
    key = ledger._key
    with Redis.from_url(redis_url) as client:
        record = client.memory_usage(key("promotion", promotion.id), samples=0)
        events = client.memory_usage(key("events", promotion.id), samples=0)
        # As dense as a million: 16 in a bucket.
        before = client.memory_usage(key("bucket")) or 0
        for number in range(16):
            client.hset(key("bucket"), f"p-{number:024d}", str(1_000_000 + number))
        tombstone = (client.memory_usage(key("bucket"), samples=0) - before) / 16  # type: ignore[operator]
    await ledger.close()
    print(f"record {record} B, its events {events} B, tombstone {tombstone:.0f} B")
    assert tombstone <= MOST_TOMBSTONE_BYTES
    assert record > 10 * tombstone  # type: ignore[operator]
