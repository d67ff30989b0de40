"""Quotes, promotions and events in Redis."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from underpaint.contract.promotion import Page, Promotion, PromotionEvent, PromotionRequest
from underpaint.orchestrator.ledger.store import (
    no_budget,
    no_room,
    order,
    spending_frozen,
    too_much,
)
from underpaint.orchestrator.names import is_of
from underpaint.orchestrator.promotions.archive import Archived
from underpaint.orchestrator.promotions.paging import newest_of, seen_to
from underpaint.orchestrator.promotions.store import (
    SECRET_BYTES,
    OpenQuote,
    expired,
    not_found,
    reserved_for,
    taken,
    used,
)
from underpaint.orchestrator.storage.redis import connection, records
from underpaint.orchestrator.storage.redis.archive import RedisArchive


class RedisPromotions(RedisArchive):
    """Stores and finds promotions, whether they are still in Redis or archived."""

    async def keep_quote(self, open_quote: OpenQuote, lifetime_s: float) -> None:
        """Stores a quote for its lifetime, by the server's clock."""
        await self._run(
            "quote",
            open_quote.quote.id,
            int(lifetime_s * 1000),
            open_quote.content,
            str(open_quote.quote.max_usd_micros),
            records.QUOTE.dump_json(open_quote.quote),
            records.PRICE.dump_json(open_quote.price),
            open_quote.caller,
            open_quote.party,
        )

    async def find_quote(self, quote_id: str) -> OpenQuote | None:
        """The quote, if it is still open."""
        fields = await self._hash("quote", quote_id)
        if not fields:
            return None
        return OpenQuote(
            quote=records.QUOTE.validate_json(fields[b"quote"]),
            price=records.PRICE.validate_json(fields[b"price"]),
            content=fields[b"content"].decode(),
            caller=fields[b"caller"].decode(),
            party=fields[b"party"].decode(),
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
        """Reserves the money and enqueues the work, in one script."""
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
            open_quote.party,
            request.retry_of,
            quote.engine,
            request.init_image.sha256,
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
        if verdict == b"used":
            raise used(quote.id)
        if verdict == b"full":
            raise no_room(records.budget_from(answer[0]), quote.max_usd_micros)
        if verdict == b"frozen":
            raise spending_frozen()
        if verdict == b"too much":
            raise too_much(answer[0].decode())
        if verdict == b"unlimited":
            raise no_budget(scopes)
        return records.promotion_of(answer[0])

    async def cancel(self, promotion_id: str) -> Promotion:
        """Releases a waiting promotion; asks the worker of a running one to stop."""
        verdict, *answer = await self._run("cancel", promotion_id)
        if verdict == b"unknown":
            return (await self._gone(promotion_id)).promotion
        return records.promotion_of(answer[0])

    async def expect_picture(self, sha256: str, *, stored: bool) -> bool:
        """Notes a picture as sent before it is stored."""
        return bool(await self._run("expect", sha256, "1" if stored else "0"))

    async def unwanted_pictures(self, older_s: float, most: int) -> Sequence[str]:
        """Marks for removal pictures that no promotion refers to."""
        return [each.decode() for each in await self._run("sweep", int(older_s * 1000), most)]

    async def forget_picture(self, sha256: str) -> None:
        """Ends the removal of a picture; it may be sent again."""
        with connection.translated():
            await self._redis.delete(self._key("sweeping", sha256))

    async def get(self, promotion_id: str) -> Promotion:
        """Reads one promotion."""
        fields = await self._hash("promotion", promotion_id)
        if not fields:
            return (await self._gone(promotion_id)).promotion
        return records.promotion_from(fields)

    async def page(self, size: int, token: str, organisation: str = "") -> Page:
        """One page of promotions, newest first."""
        index = f"promotions:{organisation}" if organisation else "promotions"
        here = await self._newest(index, size, token)
        # Redis first: a promotion that is archived meanwhile is then found twice, but never missed.
        archived: Sequence[Archived] = ()
        last = await self._last_segment()
        if last and (len(here) < size or min(here) <= last.last):
            archived = await self._archived_from(int(token) - 1 if token else last.last, size)
        found = here | {
            each.number: each.promotion
            for each in archived
            if is_of(each.promotion.id, organisation)
        }
        return newest_of(found, size, seen_to(size, list(here), [each.number for each in archived]))

    async def dead(self, size: int, token: str, organisation: str = "") -> Page:
        """One page of the dead promotions that were not retried, newest first."""
        index = f"dead:{organisation}" if organisation else "dead"
        return newest_of(await self._newest(index, size, token), size)

    async def secret(self) -> bytes:
        """The random key of this store, made at the first call."""
        with connection.translated():
            key = self._key("secret")
            await self._redis.set(key, secrets.token_bytes(SECRET_BYTES), nx=True)
            kept: bytes = await self._redis.get(key)
        return kept

    async def events(self, promotion_id: str, after: str, most: int) -> Sequence[PromotionEvent]:
        """Up to `most` events after an event id."""
        found = await self._events(promotion_id, after, most)
        if found:
            return found
        fields = await self._hash("promotion", promotion_id)
        if not fields:
            last = (await self._gone(promotion_id)).ending
            return [last] if order(last.id) > order(after) else []
        last = records.last_event_from(fields)
        if not last.state.final or order(last.id) <= order(after):
            return []
        # Either it ended just now, so look again; or it ended long ago and its events have
        # expired, but its record still tells the final one.
        return await self._events(promotion_id, after, most) or [last]

    async def _events(self, promotion_id: str, after: str, most: int) -> list[PromotionEvent]:
        """Up to `most` of the events that have not expired."""
        oldest = f"({after}" if after else "-"
        with connection.translated():
            rows = await self._redis.xrange(
                self._key("events", promotion_id), min=oldest, max="+", count=most
            )
        return [records.event_from(event_id, fields) for event_id, fields in rows]

    async def _newest(self, name: str, size: int, token: str) -> dict[int, Promotion]:
        """The newest promotions of a sorted set, by number."""
        newest = f"({token}" if token else "+inf"
        with connection.translated():
            rows = await self._redis.zrevrangebyscore(
                self._key(name), newest, "-inf", start=0, num=size, withscores=True
            )
            async with self._redis.pipeline(transaction=False) as pipeline:
                for promotion_id, _ in rows:
                    pipeline.hgetall(self._key("promotion", promotion_id.decode()))
                stored = await pipeline.execute()
        return {
            # A promotion may have been archived since the set was read; then it is found there.
            int(number): records.promotion_from(fields)
            if fields
            else (await self._gone(promotion_id.decode())).promotion
            for (promotion_id, number), fields in zip(rows, stored, strict=True)
        }

    async def _gone(self, promotion_id: str) -> Archived:
        """A promotion that is no longer in Redis. Raises PromotionNotFound."""
        found = await self._archived(promotion_id)
        if found is None:
            raise not_found(promotion_id)
        return found

    async def _hash(self, kind: str, name: str) -> dict[bytes, bytes]:
        with connection.translated():
            fields: dict[bytes, bytes] = await self._redis.hgetall(self._key(kind, name))
        return fields
