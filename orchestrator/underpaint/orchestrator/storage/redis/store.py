"""The whole store in Redis: it connects, checks the server and listens for notifications."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from typing_extensions import override
from underpaint.contract.errors import InvalidRequest, LedgerUnavailable
from underpaint.contract.promotion import Promotion, PromotionRequest
from underpaint.orchestrator.notifier import Notifier
from underpaint.orchestrator.promotions.archive import Archive
from underpaint.orchestrator.promotions.store import OpenQuote
from underpaint.orchestrator.storage.redis import connection
from underpaint.orchestrator.storage.redis.news import News
from underpaint.orchestrator.storage.redis.queue import RedisQueue
from underpaint.orchestrator.storage.redis.safety import SafetyCheck

log = logging.getLogger(__name__)


class RedisStore(RedisQueue):
    """Stores money, promotions, the work queue and events under one hash tag."""

    def __init__(
        self,
        url: str,
        *,
        lease_s: float,
        archive: Archive | None = None,
        accept_data_loss: bool = False,
        check_every_s: float = 60.0,
        root: str = "{underpaint}",
    ) -> None:
        """Connects only in `open`.

        Args:
            url: redis://, rediss:// or unix://.
            lease_s: seconds without a heartbeat after which another worker gets the work.
            archive: where finished promotions are found that are no longer in Redis.
            accept_data_loss: whether to use a Redis that may lose acknowledged writes.
            check_every_s: seconds between checks of the Redis.
            root: the hash tag with which all keys begin.

        Raises:
            InvalidRequest: the URL is malformed.
        """
        super().__init__(url, root, archive, lease_s=lease_s)
        self._notifier = Notifier()
        self._news = News(url, self._key("bell"), self._notifier, self._last_news)
        self._safety = SafetyCheck(accept_data_loss=accept_data_loss)
        self._redis.greet = self._greet
        self._check_every_s = check_every_s
        self._checking: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connects, checks the Redis, and starts to listen for notifications.

        Raises:
            InvalidRequest: it may lose acknowledged writes, is too old, or holds the ledger of a
                version that is not compatible with this one.
            LedgerUnavailable: it does not answer.
        """
        await self.ping()
        self._safety.check_at_start()
        await self._check_schema()
        await self.expire_due(0)  # expires nothing; checks that scripts run
        self._news.start()
        if self._checking is None:
            self._checking = asyncio.create_task(self._check_forever(), name="ledger: check Redis")

    async def _check_schema(self) -> None:
        told, own, kept = await self._run("schema")
        if not told and not kept:
            return  # a new ledger: its first entry sets the schema
        schema = int(told or 0)
        if schema != own:
            age = "an earlier" if schema < own else "a later"
            raise InvalidRequest(
                f"this Redis holds the ledger of {age} version, which this version cannot use; "
                "use that version, or another --data-dir or --redis-url"
            )

    async def close(self) -> None:
        """Closes all connections."""
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.gather(self._checking, return_exceptions=True)
        await self._news.stop()
        await self._redis.aclose()

    async def ping(self) -> None:
        """Raises LedgerUnavailable if Redis does not answer."""
        with connection.translated():
            await self._redis.ping()

    def check_safe(self) -> None:
        """Raises LedgerUnavailable if the Redis might lose what is acknowledged now."""
        self._safety.check()

    @override
    async def promote(
        self,
        promotion_id: str,
        content: str,
        request: PromotionRequest,
        open_quote: OpenQuote,
        reservation_s: float,
        approved_by: str = "",
    ) -> Promotion:
        """Reserves the money and enqueues the work, after checking that Redis is still safe."""
        self.check_safe()
        return await super().promote(
            promotion_id, content, request, open_quote, reservation_s, approved_by
        )

    async def claim_artifacts(self, claim: str) -> str:
        """Binds the ledger to an artifact store; returns the claim of the one it is bound to."""
        with connection.translated():
            await self._redis.set(self._key("artifacts"), claim, nx=True)
            bound = await self._redis.get(self._key("artifacts"))
        return str(bound.decode())

    def listen(self, topic: str) -> AbstractContextManager[asyncio.Event]:
        """An event that is set when the topic may have changed."""
        return self._notifier.listen(topic)

    async def _last_news(self, promotion_ids: Sequence[str]) -> Sequence[bytes | None]:
        with connection.translated():
            told: list[bytes | None] = await self._redis.hmget(self._key("news"), promotion_ids)
        return told

    async def _greet(self, ask: Any) -> None:
        """Checks the server that a new connection has reached, before any command."""
        await self._safety.look(ask)
        self._news.subscribe()

    async def _check_forever(self) -> None:
        while True:
            await asyncio.sleep(self._check_every_s)
            try:
                with connection.translated():
                    await self._safety.look(self._redis.ask)
            except LedgerUnavailable as error:
                log.warning("the connection to Redis is closed: %s", error)
                self._redis.drop("it could not be used")
            except Exception:
                log.exception("Redis cannot be checked for now")
