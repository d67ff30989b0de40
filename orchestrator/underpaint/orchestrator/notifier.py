"""Wakes those who wait for news of a topic. A hint only: the truth is in the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Notifier:
    """Events by topic, within this process."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def listen(self, topic: str) -> Iterator[asyncio.Event]:
        """An event set by news until the block is left; clear it before looking, not after."""
        event = asyncio.Event()
        waiting = self._waiting.setdefault(topic, set())
        waiting.add(event)
        try:
            yield event
        finally:
            waiting.discard(event)
            if not waiting and self._waiting.get(topic) is waiting:
                del self._waiting[topic]

    @property
    def topics(self) -> list[str]:
        """Every topic that somebody listens to."""
        return list(self._waiting)

    def notify(self, topic: str) -> None:
        """Wakes those who listen to one topic."""
        for event in self._waiting.get(topic, ()):
            event.set()

    def notify_all(self) -> None:
        """Wakes everyone, for when news may have been missed."""
        for topic in self.topics:
            self.notify(topic)


async def notified(event: asyncio.Event, seconds: float) -> None:
    """Returns when the event is set, or after the time, whichever is first."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
