"""Takes promotions from the queue, as many at once as allowed, and carries each through."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from typing import Final

from underpaint.contract.errors import LedgerUnavailable
from underpaint.orchestrator.bell import heard
from underpaint.orchestrator.ledger import WORK, Lease
from underpaint.orchestrator.polishing import Polisher

log = logging.getLogger(__name__)

LOOK_S: Final = 0.5  # lapsed leases and ended delays ring no bell
EXPIRE_EVERY_S: Final = 5.0
LONGEST_PAUSE_S: Final = 15.0  # while the cloud is out of reach
EXPIRE_AT_ONCE: Final = 100


class Dispatcher:
    """The working half of an orchestrator."""

    def __init__(self, polisher: Polisher, concurrency: int) -> None:
        self._polisher = polisher
        self._ledger = polisher.ledger
        self._concurrency = concurrency
        self._worker = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._carrying: dict[asyncio.Task[bool], Lease] = {}
        # Out of reach for one promotion is out of reach for all: this worker pauses, and leaves
        # them to others that may reach what it does not.
        self._unreached = 0  # in a row
        self._resumes_at = 0.0
        self._sides: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins to take work."""
        self._sides = [
            asyncio.create_task(self._take_forever(), name="dispatcher: take"),
            asyncio.create_task(self._expire_forever(), name="dispatcher: expire"),
        ]

    async def stop(self, grace_s: float) -> None:
        """Takes nothing more, lets running work finish for a while, hands back the rest."""
        for side in self._sides:
            side.cancel()
        await asyncio.gather(*self._sides, return_exceptions=True)
        if self._carrying:
            await asyncio.wait(self._carrying, timeout=grace_s)
        unfinished = dict(self._carrying)
        for carrying in unfinished:
            carrying.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await asyncio.gather(*(self._polisher.hand_back(each) for each in unfinished.values()))

    async def _take_forever(self) -> None:
        with self._ledger.listen(WORK) as news:
            while True:
                news.clear()
                free = self._concurrency - len(self._carrying)
                pause_s = self._resumes_at - asyncio.get_running_loop().time()
                if free > 0 and pause_s <= 0:
                    try:
                        for lease in await self._ledger.take(self._worker, free):
                            self._carry(lease, news)
                    except LedgerUnavailable as error:
                        log.warning("no work is taken: %s", error)
                    except Exception:
                        # One bad round must not stop all work for good.
                        log.exception("no work is taken")
                await heard(news, min(LOOK_S, pause_s) if pause_s > 0 else LOOK_S)

    def _carry(self, lease: Lease, news: asyncio.Event) -> None:
        carrying = asyncio.create_task(
            self._polisher.carry(lease), name=f"promotion {lease.promotion.id}"
        )
        self._carrying[carrying] = lease

        def done(ended: asyncio.Task[bool]) -> None:
            del self._carrying[ended]
            if ended.cancelled():
                return
            if ended.exception():
                # A fault of ours: the lease lapses, and attempts are bounded.
                log.error(
                    "promotion %s broke its worker", lease.promotion.id, exc_info=ended.exception()
                )
            else:
                self._pause(reached=ended.result())
            news.set()  # there is room for more

        carrying.add_done_callback(done)

    def _pause(self, *, reached: bool) -> None:
        """Takes nothing for a while, longer each time in a row that nothing was reached."""
        now = asyncio.get_running_loop().time()
        if reached:
            self._unreached = 0
            self._resumes_at = now
        elif now >= self._resumes_at:  # what was asked at the same time counts once
            pause_s = self._polisher.first_backoff_s * 2 ** min(self._unreached, 10)
            self._resumes_at = now + min(pause_s, LONGEST_PAUSE_S)
            self._unreached += 1

    async def _expire_forever(self) -> None:
        while True:
            try:
                expired = await self._ledger.expire_due(EXPIRE_AT_ONCE)
                if expired:
                    log.warning("%d promotions were never finished and have expired", expired)
            except LedgerUnavailable:
                log.debug("nothing expires while the ledger is out of reach")
            except Exception:
                log.exception("nothing expires")
            await asyncio.sleep(EXPIRE_EVERY_S)
