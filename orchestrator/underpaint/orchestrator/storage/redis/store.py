"""The store of promotions in Redis, put together: connects, checks, listens for news."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractContextManager, suppress
from typing import Any

from underpaint.contract.errors import InvalidRequest, LedgerUnavailable
from underpaint.orchestrator.notifier import Notifier
from underpaint.orchestrator.promotions.archive import Archive
from underpaint.orchestrator.storage.redis import connection
from underpaint.orchestrator.storage.redis.queue import RedisQueue

log = logging.getLogger(__name__)


class RedisStore(RedisQueue):
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
        super().__init__(url, root, archive, lease_s=lease_s)
        self._news: Any = connection.connect(url, blocking=True)
        self._notifier = Notifier()
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Checks that Redis answers and begins to listen for news.

        Raises:
            InvalidRequest: its ledger was kept by an earlier version.
        """
        with connection.translated():
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
        return self._notifier.listen(topic)

    async def _listen(self) -> None:
        """Rings the bell of this process for what scripts publish; never gives up."""
        while True:
            try:
                with connection.translated():
                    async with self._news.pubsub() as subscription:
                        await subscription.subscribe(self._key("bell"))
                        self._notifier.notify_all()
                        async for message in subscription.listen():
                            if message["type"] == "message":
                                self._notifier.notify(message["data"].decode())
            except LedgerUnavailable as error:
                log.warning("no news for now: %s", error)
                await asyncio.sleep(0.5)
