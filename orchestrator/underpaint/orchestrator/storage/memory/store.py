"""The store of promotions in memory, put together: the twin of `RedisStore`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from underpaint.orchestrator.promotions.archive import Archive
from underpaint.orchestrator.storage.memory.queue import MemoryQueue


class MemoryStore(MemoryQueue):
    """Money, promotions, work and events; gone with the process."""

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
        """Nothing to connect."""

    async def close(self) -> None:
        """Nothing to let go."""

    def listen(self, topic: str) -> AbstractContextManager[asyncio.Event]:
        """An event set when the topic has news."""
        return self._notifier.listen(topic)
