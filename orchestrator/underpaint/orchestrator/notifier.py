"""Notifies coroutines that something may have changed. Only a hint: the store has the facts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Notifier:
    """Notifies the listeners of topics, within this process."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def listen(self, topic: str) -> Iterator[asyncio.Event]:
        """An event that is set by each notification while the block runs.

        Clear it before reading the state, not after: otherwise a change in between is missed.
        """
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
        """Every topic that has a listener."""
        return list(self._waiting)

    def notify(self, topic: str) -> None:
        """Notifies the listeners of one topic."""
        for event in self._waiting.get(topic, ()):
            event.set()

    def notify_all(self) -> None:
        """Notifies all listeners, after notifications may have been missed."""
        for topic in self.topics:
            self.notify(topic)


async def notified(event: asyncio.Event, seconds: float) -> None:
    """Waits until the event is set, for at most `seconds`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
