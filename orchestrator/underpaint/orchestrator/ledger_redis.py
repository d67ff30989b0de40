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
from underpaint.contract.promotion import (
    Promotion,
    PromotionEvent,
    PromotionRequest,
)
from underpaint.orchestrator import records, redis_link
from underpaint.orchestrator.archive import Archive, Archived
from underpaint.orchestrator.archive_redis import RedisShelf
from underpaint.orchestrator.bell import Bell
from underpaint.orchestrator.books import frozen_for, no_budget, no_room, order, too_much
from underpaint.orchestrator.ledger import (
    BATCH_TURN,
    Lease,
    LeaseLost,
    OpenQuote,
    Outcome,
    Overcharge,
    Page,
    expired,
    not_found,
    reserved_for,
    taken,
)

log = logging.getLogger(__name__)

# One name for all: fences tell workers apart, and names would pile up in the group.
CONSUMER: Final = "dispatcher"


class RedisLedger(RedisShelf):
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

    async def keep_quote(self, open_quote: OpenQuote, lifetime_s: float) -> None:
        """Keeps a quote for its lifetime, by the server's clock."""
        key = self._key("quote", open_quote.quote.id)
        fields: dict[str, str | bytes] = {
            "content": open_quote.content,
            "max": str(open_quote.quote.max_usd_micros),
            "quote": records.QUOTE.dump_json(open_quote.quote),
            "price": records.PRICE.dump_json(open_quote.price),
        }
        with redis_link.translated():
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.hset(key, mapping=fields)
                pipeline.pexpire(key, int(lifetime_s * 1000))
                await pipeline.execute()

    async def find_quote(self, quote_id: str) -> OpenQuote | None:
        """The quote, if it is still open."""
        fields = await self._hash("quote", quote_id)
        if not fields:
            return None
        return OpenQuote(
            quote=records.QUOTE.validate_json(fields[b"quote"]),
            price=records.PRICE.validate_json(fields[b"price"]),
            content=fields[b"content"].decode(),
        )

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

    async def get(self, promotion_id: str) -> Promotion:
        """One promotion."""
        fields = await self._hash("promotion", promotion_id)
        if not fields:
            return (await self._gone(promotion_id)).promotion
        return records.promotion_from(fields)

    async def page(self, size: int, token: str) -> Page:
        """Newest first."""
        newest = f"({token}" if token else "+inf"
        with redis_link.translated():
            rows = await self._redis.zrevrangebyscore(
                self._key("promotions"), newest, "-inf", start=0, num=size, withscores=True
            )
            async with self._redis.pipeline(transaction=False) as pipeline:
                for promotion_id, _ in rows:
                    pipeline.hgetall(self._key("promotion", promotion_id.decode()))
                stored = await pipeline.execute()
        promotions = [
            # One that was archived since the names were read is found where it is now.
            records.promotion_from(fields)
            if fields
            else (await self._gone(promotion_id.decode())).promotion
            for (promotion_id, _), fields in zip(rows, stored, strict=True)
        ]
        last = int(rows[-1][1]) if rows else 0
        if len(rows) < size:
            archived = await self._archived_from(
                await self._before(last, token), size - len(promotions)
            )
            promotions += [each.promotion for each in archived]
            last = archived[-1].number if archived else last
        return Page(
            promotions=tuple(promotions),
            next_token=str(last) if len(promotions) == size else "",
        )

    async def events(self, promotion_id: str, after: str, most: int) -> Sequence[PromotionEvent]:
        """Up to `most` events after an event id."""
        oldest = f"({after}" if after else "-"
        with redis_link.translated():
            rows = await self._redis.xrange(
                self._key("events", promotion_id), min=oldest, max="+", count=most
            )
        if rows:
            return [records.event_from(event_id, fields) for event_id, fields in rows]
        fields = await self._hash("promotion", promotion_id)
        if not fields:
            last = (await self._gone(promotion_id)).ending
            return [last] if order(last.id) > order(after) else []
        last = records.last_event_from(fields)
        # Long finished: its events are gone, but how it ended is not.
        return [last] if last.state.final and order(last.id) > order(after) else []

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

    async def release(self, lease: Lease, reason: str) -> Promotion:
        """Returns the reservation and ends the promotion."""
        (stored,) = await self._held("release", lease, None, reason)
        return _promotion(stored)

    async def retry(self, lease: Lease, delay_s: float, reason: str, *, counts: bool) -> None:
        """Puts the promotion back to wait."""
        delay_ms = str(int(delay_s * 1000))
        await self._held("retry", lease, None, delay_ms, reason, "1" if counts else "0")

    async def expire_due(self, most: int) -> int:
        """Expires promotions whose reservation is over."""
        return int(await self._run("expire", most, "it was not finished in its time"))

    async def _gone(self, promotion_id: str) -> Archived:
        """A promotion that is no longer in Redis. Raises PromotionNotFound."""
        found = await self._archived(promotion_id)
        if found is None:
            raise not_found(promotion_id)
        return found

    async def _before(self, last: int, token: str) -> int:
        """The number at which a page goes on in the archive."""
        if last or token:
            return (last or int(token)) - 1
        with redis_link.translated():
            return int(await self._redis.get(self._key("archived")) or 0)

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

    async def _hash(self, kind: str, name: str) -> dict[bytes, bytes]:
        with redis_link.translated():
            fields: dict[bytes, bytes] = await self._redis.hgetall(self._key(kind, name))
        return fields

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
