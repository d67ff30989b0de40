"""The ledger in Redis: one Lua script for each thing that changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any, Final

from underpaint.contract.errors import InvalidRequest, LedgerUnavailable
from underpaint.contract.generation import Progress
from underpaint.contract.money import format_usd
from underpaint.contract.promotion import Promotion, PromotionRequest
from underpaint.orchestrator import records, redis_link
from underpaint.orchestrator.archive import Archive
from underpaint.orchestrator.bell import Bell
from underpaint.orchestrator.books import frozen_for, no_budget, no_room, too_much
from underpaint.orchestrator.ledger import (
    BATCH_TURN,
    UNFINISHED,
    Lease,
    LeaseLost,
    OpenQuote,
    Outcome,
    Overcharge,
    again,
    expired,
    reserved_for,
    taken,
)
from underpaint.orchestrator.promotions_redis import RedisPromotions

log = logging.getLogger(__name__)

# One name for all: fences tell workers apart, and names would pile up in the group.
CONSUMER: Final = "dispatcher"


class RedisLedger(RedisPromotions):
    """Money, promotions, the work queue and events, under one hash tag."""

    def __init__(
        self,
        url: str,
        *,
        lease_s: float,
        archive: Archive | None = None,
        root: str = "{underpaint}",
    ) -> None:
        """Makes clients; nothing is connected yet.

        Args:
            url: redis://, rediss:// or unix://.
            lease_s: seconds without a heartbeat after which work is given to another.
            archive: where finished promotions are looked for that are no longer in Redis.
            root: a hash tag; all keys begin with it.

        Raises:
            InvalidRequest: the URL is malformed.
        """
        super().__init__(url, root, archive)
        self._news: Any = redis_link.connect(url, blocking=True)
        self._lease_ms = int(lease_s * 1000)
        self._bell = Bell()
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Checks that Redis answers and begins to listen for news.

        Raises:
            InvalidRequest: its ledger was kept by an earlier version.
        """
        with redis_link.translated():
            kept, numbered = [
                await self._redis.exists(self._key(name)) for name in ("ledger", "entries")
            ]
        if kept and not numbered:
            raise InvalidRequest(
                "this Redis holds the ledger of an earlier version, whose entries have no "
                "numbers; use another --data-dir or --redis-url"
            )
        await self.expire_due(0)  # scripts run too
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen(), name="ledger news")

    async def close(self) -> None:
        """Lets go of connections."""
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening
        await self._news.aclose()
        await self._redis.aclose()

    def listen(self, topic: str) -> AbstractContextManager[asyncio.Event]:
        """An event set when the topic has news."""
        return self._bell.listen(topic)

    async def promote(
        self,
        promotion_id: str,
        content: str,
        request: PromotionRequest,
        open_quote: OpenQuote,
        reservation_s: float,
        approved_by: str = "",
    ) -> Promotion:
        """Reserves and enqueues in one script."""
        quote = open_quote.quote
        scopes = request.account.scopes
        verdict, *answer = await self._run(
            "reserve",
            promotion_id,
            content,
            records.REQUEST.dump_json(request),
            quote.id,
            records.PRICE.dump_json(open_quote.price),
            records.QUOTE.dump_json(quote),
            int(reservation_s * 1000),
            " ".join(scopes),
            reserved_for(quote, approved_by),
            approved_by,
            request.priority.value,
            request.account.party,
            request.retry_of,
            quote.engine,
        )
        if verdict == b"archived":
            before = await self._gone(promotion_id)
            if before.content != content:
                raise taken(promotion_id)
            return before.promotion
        if verdict == b"conflict":
            raise taken(promotion_id)
        if verdict == b"expired":
            raise expired(quote.id)
        if verdict == b"full":
            raise no_room(records.budget_from(answer[0]), quote.max_usd_micros)
        if verdict == b"frozen":
            raise frozen_for(answer[0].decode())
        if verdict == b"too much":
            raise too_much(answer[0].decode())
        if verdict == b"unlimited":
            raise no_budget(scopes)
        return _promotion(answer[0])

    async def cancel(self, promotion_id: str) -> Promotion:
        """Releases what waits; asks the worker of what runs to stop."""
        verdict, *answer = await self._run("cancel", promotion_id)
        if verdict == b"unknown":
            return (await self._gone(promotion_id)).promotion
        return _promotion(answer[0])

    async def take(self, worker: str, most: int) -> Sequence[Lease]:
        """Leases of lapsed work, then of due and new work as its turn comes."""
        leased = await self._run("take", CONSUMER, worker, self._lease_ms, most, BATCH_TURN)
        return [records.lease_from(entry, records.pairs(stored)) for entry, stored in leased]

    async def renew(self, lease: Lease) -> bool:
        """Prolongs a lease; says whether the promotion was cancelled."""
        (cancelled,) = await self._held("renew", lease, CONSUMER)
        return bool(cancelled == b"1")

    async def cancelled(self, lease: Lease) -> bool:
        """Whether the promotion was cancelled."""
        with redis_link.translated():
            fence, cancel = await self._redis.hmget(
                self._key("promotion", lease.promotion.id), ["fence", "cancel"]
            )
        if fence is None or int(fence) != lease.fence:
            raise LeaseLost(lease.promotion.id)
        return bool(cancel == b"1")

    async def progress(self, lease: Lease, progress: Progress) -> None:
        """Appends an event."""
        await self._held(
            "progress",
            lease,
            None,
            progress.stage,
            str(progress.step),
            str(progress.steps),
            progress.preview,
        )

    async def record(self, lease: Lease, outcome: Outcome) -> None:
        """Records what an engine made."""
        await self._held("record", lease, None, records.OUTCOME.dump_json(outcome))

    async def settle(self, lease: Lease, charged_usd_micros: int, cloud_only: int) -> Promotion:
        """Charges and ends the promotion."""
        (stored,) = await self._held(
            "settle",
            lease,
            None,
            str(charged_usd_micros),
            str(cloud_only),
            f"finished; {format_usd(charged_usd_micros)} is charged",
        )
        return _promotion(stored)

    async def release(self, lease: Lease, reason: str, *, dead: bool = False) -> Promotion:
        """Returns the reservation and ends the promotion."""
        (stored,) = await self._held("release", lease, None, reason, "1" if dead else "0")
        return _promotion(stored)

    async def retry(self, lease: Lease, delay_s: float, reason: str, *, counts: bool) -> None:
        """Puts the promotion back to wait."""
        delay_ms = str(int(delay_s * 1000))
        told = again(reason, delay_s)
        await self._held("retry", lease, None, delay_ms, reason, "1" if counts else "0", told)

    async def expire_due(self, most: int) -> int:
        """Expires promotions whose reservation is over."""
        return int(await self._run("expire", most, UNFINISHED))

    async def _held(
        self, script: str, lease: Lease, before: str | None, *arguments: str | bytes
    ) -> list[Any]:
        """Runs a script under a lease; the lease is refused there if its fence is stale."""
        head = () if before is None else (before,)
        answer: list[Any]
        verdict, *answer = await self._run(
            script, *head, lease.promotion.id, str(lease.fence), *arguments
        )
        if verdict == b"lost":
            raise LeaseLost(lease.promotion.id)
        if verdict == b"overcharge":
            raise Overcharge(f"{lease.promotion.id}: {answer[0].decode()} is reserved")
        return answer

    async def _listen(self) -> None:
        """Rings the bell of this process for what scripts publish; never gives up."""
        while True:
            try:
                with redis_link.translated():
                    async with self._news.pubsub() as subscription:
                        await subscription.subscribe(self._key("bell"))
                        self._bell.ring_all()
                        async for message in subscription.listen():
                            if message["type"] == "message":
                                self._bell.ring(message["data"].decode())
            except LedgerUnavailable as error:
                log.warning("no news for now: %s", error)
                await asyncio.sleep(0.5)


def _promotion(flat: list[bytes]) -> Promotion:
    return records.promotion_from(records.pairs(flat))
