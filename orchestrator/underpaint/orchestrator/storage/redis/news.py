"""Notifies waiters in this process of changed promotions: by a subscription and a regular check."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from underpaint.contract.errors import LedgerUnavailable
from underpaint.orchestrator.notifier import Notifier
from underpaint.orchestrator.promotions.store import WORK
from underpaint.orchestrator.storage.redis import connection

log = logging.getLogger(__name__)

LOOK_S: Final = 1.0
SUBSCRIBE_AGAIN_S: Final = 0.5
_UNSEEN: Final = object()

Look = Callable[[Sequence[str]], Awaitable[Sequence[bytes | None]]]


class News:
    """Notifies those who listen to a promotion, by a subscription and by a regular check.

    A published message arrives at once, but is lost if the connection breaks. The check finds
    what was lost; it costs one command, however many are waiting.
    """

    def __init__(self, url: str, channel: str, notifier: Notifier, look: Look) -> None:
        """`look` returns the last change of some promotions, None for one that has ended."""
        self._client: Any = connection.connect(url, blocking=True)
        self._channel = channel
        self._notifier = notifier
        self._look = look
        self._seen: dict[str, object] = {}
        self._looking: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts to listen and to check."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_forever(), name="ledger news: look")
            self.subscribe()

    async def stop(self) -> None:
        """Stops, and closes the connection."""
        for side in (self._looking, self._listening):
            if side is not None:
                side.cancel()
                await asyncio.gather(side, return_exceptions=True)
        await self._client.aclose()

    def subscribe(self) -> None:
        """Subscribes again; after a failover the old connection leads to the old server."""
        if self._looking is None:
            return
        if self._listening is not None:
            self._listening.cancel()
        self._listening = asyncio.create_task(self._listen(), name="ledger news: listen")

    async def _listen(self) -> None:
        """Passes on messages that scripts publish; never gives up."""
        while True:
            try:
                with connection.translated():
                    async with self._client.pubsub() as subscription:
                        await subscription.subscribe(self._channel)
                        self._notifier.notify_all()
                        async for message in subscription.listen():
                            if message["type"] == "message":
                                self._notifier.notify(message["data"].decode())
            except LedgerUnavailable as error:
                log.warning("changes are noticed late for now: %s", error)
            except Exception:  # the next round may succeed
                log.exception("changes are noticed late for now")
            await asyncio.sleep(SUBSCRIBE_AGAIN_S)

    async def _look_forever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self._look_once()
            except LedgerUnavailable as error:
                # Wake everybody: each will meet the error itself and report it to its caller.
                log.debug("changes cannot be checked: %s", error)
                self._seen.clear()
                self._notifier.notify_all()
            except Exception:
                log.exception("changes cannot be checked")

    async def _look_once(self) -> None:
        """Notifies the topics that changed since the last check or are checked the first time."""
        topics = [topic for topic in self._notifier.topics if topic != WORK]
        told = await self._look(topics) if topics else ()
        before, self._seen = self._seen, dict(zip(topics, told, strict=True))
        for topic, last in self._seen.items():
            if before.get(topic, _UNSEEN) != last:
                self._notifier.notify(topic)
