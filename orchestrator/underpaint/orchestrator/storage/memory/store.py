"""The whole store in memory, as `RedisStore` is in Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from underpaint.orchestrator.promotions.archive import Archive
from underpaint.orchestrator.storage.memory.queue import MemoryQueue


class MemoryStore(MemoryQueue):
    """Keeps money, promotions, work and events for the life of the process."""

    def __init__(
        self,
        *,
        lease_s: float = 10.0,
        clock: Callable[[], float] = time.time,
        archive: Archive | None = None,
    ) -> None:
        """Begins empty.

        Args:
            lease_s: seconds without a heartbeat after which work is given to another.
            clock: seconds since 1970.
            archive: where finished promotions are looked for that are no longer kept here.
        """
        super().__init__(clock, archive, lease_s=lease_s)

    async def open(self) -> None:
        """Does nothing: there is no connection."""

    async def close(self) -> None:
        """Does nothing: there is no connection."""

    def listen(self, topic: str) -> AbstractContextManager[asyncio.Event]:
        """An event that is set when the topic may have changed."""
        return self._notifier.listen(topic)
