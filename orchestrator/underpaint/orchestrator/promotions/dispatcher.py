"""Takes promotions from the queue and runs each in a worker, up to a limit for each engine."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections import Counter
from typing import Final

from underpaint.contract.errors import LedgerUnavailable
from underpaint.orchestrator.notifier import notified
from underpaint.orchestrator.promotions.store import WORK, Lease
from underpaint.orchestrator.promotions.worker import Worker

log = logging.getLogger(__name__)

LOOK_S: Final = 0.5  # lapsed leases and ended delays send no notification, so look regularly
EXPIRE_EVERY_S: Final = 5.0
LONGEST_PAUSE_S: Final = 15.0  # while the cloud is out of reach
EXPIRE_AT_ONCE: Final = 100


class Dispatcher:
    """Runs the queued promotions of an orchestrator."""

    def __init__(self, worker: Worker, concurrency: int) -> None:
        """At most `concurrency` promotions run at once at each engine; 0 takes no work."""
        self._worker = worker
        self._store = worker.store
        self._concurrency = concurrency
        self._name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._running: dict[asyncio.Task[bool], Lease] = {}
        # A cloud that is out of reach for one promotion is so for all. This orchestrator then
        # pauses and leaves the work to others, which may still reach it.
        self._unreached = 0  # failures in a row
        self._resumes_at = 0.0
        self._sides: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Starts taking work."""
        self._sides = [
            asyncio.create_task(self._take_forever(), name="dispatcher: take"),
            asyncio.create_task(self._expire_forever(), name="dispatcher: expire"),
        ]

    async def stop(self, grace_s: float) -> None:
        """Takes no more work, waits up to `grace_s` seconds for what runs, hands back the rest."""
        for side in self._sides:
            side.cancel()
        await asyncio.gather(*self._sides, return_exceptions=True)
        if self._running:
            await asyncio.wait(self._running, timeout=grace_s)
        unfinished = dict(self._running)
        for running in unfinished:
            running.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await asyncio.gather(*(self._worker.hand_back(each) for each in unfinished.values()))

    async def _take_forever(self) -> None:
        with self._store.listen(WORK) as news:
            while True:
                news.clear()
                pause_s = self._resumes_at - asyncio.get_running_loop().time()
                if self._concurrency and pause_s <= 0:
                    running = Counter(
                        lease.promotion.quote.engine for lease in self._running.values()
                    )
                    try:
                        for lease in await self._store.take(self._name, self._concurrency, running):
                            self._run(lease, news)
                    except LedgerUnavailable as error:
                        log.warning("work cannot be taken for now: %s", error)
                    except Exception:
                        # One bad round must not stop all work for good.
                        log.exception("work cannot be taken for now")
                await notified(news, min(LOOK_S, pause_s) if pause_s > 0 else LOOK_S)

    def _run(self, lease: Lease, news: asyncio.Event) -> None:
        running = asyncio.create_task(
            self._worker.run(lease), name=f"promotion {lease.promotion.id}"
        )
        self._running[running] = lease

        def done(ended: asyncio.Task[bool]) -> None:
            del self._running[ended]
            if ended.cancelled():
                return
            if ended.exception():
                # A bug. The lease lapses, so another attempt follows, up to --max-attempts.
                log.error(
                    "the worker of promotion %s failed",
                    lease.promotion.id,
                    exc_info=ended.exception(),
                )
            else:
                self._pause(reached=ended.result())
            news.set()  # there is room for more

        running.add_done_callback(done)

    def _pause(self, *, reached: bool) -> None:
        """Pauses when the cloud was out of reach, longer after each failure in a row."""
        now = asyncio.get_running_loop().time()
        if reached:
            self._unreached = 0
            self._resumes_at = now
        elif now >= self._resumes_at:  # promotions that failed at the same time count once
            pause_s = self._worker.first_backoff_s * 2 ** min(self._unreached, 10)
            self._resumes_at = now + min(pause_s, LONGEST_PAUSE_S)
            self._unreached += 1

    async def _expire_forever(self) -> None:
        while True:
            try:
                expired = await self._store.expire_due(EXPIRE_AT_ONCE)
                if expired:
                    log.warning("%d promotions were never finished and have expired", expired)
            except LedgerUnavailable:
                log.debug("nothing is expired while the ledger is out of reach")
            except Exception:
                log.exception("promotions cannot be expired for now")
            await asyncio.sleep(EXPIRE_EVERY_S)
