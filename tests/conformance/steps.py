"""What promises are told in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from underpaint.contract.accounting import LedgerEntry
from underpaint.contract.promotion import Account, Promotion
from underpaint.orchestrator.ledger.replay import LedgerReplay
from underpaint.orchestrator.ledger.store import EVER, Balances
from underpaint.orchestrator.promotions.quoting import content_of
from underpaint.orchestrator.promotions.store import Lease, PromotionStore

from tests.unit.orchestrator.samples import OUTCOME, open_quote, promotion_request

PROJECT = "project:default/default/default"


def at(text: str) -> int:
    """Seconds since 1970 of "2026-11-21" or "2026-11-21T23:59:59"."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


NOON = at("2026-11-21T12:00:00")  # when every promise begins


async def promote(
    store: PromotionStore,
    promotion_id: str,
    cost: int = 1_000,
    account: Account | None = None,
    reservation_s: float = 10.0**8,
) -> Promotion:
    request = promotion_request(account=account or Account())
    quote = open_quote(request, cost, f"q-{promotion_id}")
    await store.keep_quote(quote, 10.0**8)
    return await store.promote(promotion_id, content_of(request), request, quote, reservation_s)


async def take_one(store: PromotionStore) -> Lease:
    (lease,) = await store.take("test", 1)
    return lease


async def settle_next(store: PromotionStore, charged: int) -> None:
    lease = await take_one(store)
    await store.record(lease, OUTCOME)
    await store.settle(lease, charged, 9 * charged)


async def whole(store: PromotionStore) -> Balances:
    """All balances of a store that stands still; what was charged on closed days, too."""
    found = Balances()
    async for part in store.parts():
        found = replace(
            part,
            amounts={**found.amounts, **part.amounts},
            campaigns={**found.campaigns, **part.campaigns},
            open={**found.open, **part.open},
            closed=found.closed if part.closed is None else part.closed,
        )
    return replace(found, spend=await store.spend(""))


async def balance(store: PromotionStore, scope: str = PROJECT) -> tuple[int, int]:
    """Reserved and spent; checked against the replay of all entries, as everything else."""
    replay = LedgerReplay()
    for entry in await store.entries("", 100_000):
        replay.add(entry)
    kept = await whole(store)
    assert [*replay.problems, *(line for line, _ in replay.differences(kept))] == []
    return kept.amounts.get((scope, EVER), (0, 0))


def kinds(entries: Sequence[LedgerEntry]) -> list[str]:
    return [entry.kind for entry in entries]


async def made(store: PromotionStore, count: int, prefix: str = "promotion") -> list[Promotion]:
    """So many, settled and released in turn."""
    for number in range(count):
        await promote(store, f"{prefix}-{number:03d}", 100)
        (lease,) = await store.take("test", 1)
        if number % 2:
            await store.release(lease, "the engine ran out of memory")
        else:
            await store.record(lease, OUTCOME)
            await store.settle(lease, 40, 360)
    return [await store.get(f"{prefix}-{number:03d}") for number in range(count)]
