"""The work queue in Redis: promotions under leases, one Lua script for each operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from underpaint.contract.generation import Progress
from underpaint.contract.money import format_usd
from underpaint.contract.promotion import Promotion, Withheld
from underpaint.orchestrator.promotions.archive import Archive
from underpaint.orchestrator.promotions.store import (
    BATCH_TURN,
    NOTHING_RUNS,
    UNFINISHED,
    Lease,
    LeaseLost,
    Outcome,
    Overcharge,
    again,
)
from underpaint.orchestrator.storage.redis import connection, records
from underpaint.orchestrator.storage.redis.promotions import RedisPromotions

# One consumer name for all workers: fences tell workers apart, and Redis would never forget
# the names of workers that have gone.
CONSUMER: Final = "dispatcher"


class RedisQueue(RedisPromotions):
    """Gives leases, and makes the changes that need one."""

    def __init__(self, url: str, root: str, archive: Archive | None, *, lease_s: float) -> None:
        super().__init__(url, root, archive)
        self._lease_ms = int(lease_s * 1000)

    async def take(
        self, worker: str, most: int, running: Mapping[str, int] = NOTHING_RUNS
    ) -> Sequence[Lease]:
        """Leases promotions whose lease has lapsed, then waiting ones in order of turn."""
        held = [each for engine, count in running.items() for each in (engine, count)]
        leased = await self._run("take", CONSUMER, worker, self._lease_ms, most, BATCH_TURN, *held)
        return [records.lease_from(entry, records.pairs(stored)) for entry, stored in leased]

    async def renew(self, lease: Lease) -> bool:
        """Extends a lease; returns whether the promotion was cancelled."""
        (cancelled,) = await self._held("renew", lease, CONSUMER)
        return bool(cancelled == b"1")

    async def cancelled(self, lease: Lease) -> bool:
        """Whether the promotion was cancelled."""
        with connection.translated():
            fence, cancel = await self._redis.hmget(
                self._key("promotion", lease.promotion.id), ["fence", "cancel"]
            )
        if fence is None or int(fence) != lease.fence:
            raise LeaseLost(lease.promotion.id)
        return bool(cancel == b"1")

    async def progress(self, lease: Lease, progress: Progress) -> None:
        """Appends an event."""
        await self._held(
            "progress",
            lease,
            None,
            progress.stage,
            str(progress.step),
            str(progress.steps),
            progress.preview,
        )

    async def record(self, lease: Lease, outcome: Outcome) -> None:
        """Records what an engine made."""
        await self._held(
            "record",
            lease,
            None,
            records.OUTCOME.dump_json(outcome),
            outcome.artifact.sha256 if outcome.artifact else "",
        )

    async def settle(self, lease: Lease, charged_usd_micros: int, cloud_only: int) -> Promotion:
        """Charges and ends the promotion."""
        (stored,) = await self._held(
            "settle",
            lease,
            None,
            str(charged_usd_micros),
            str(cloud_only),
            f"{format_usd(charged_usd_micros)} is charged",
        )
        return records.promotion_of(stored)

    async def release(
        self,
        lease: Lease,
        reason: str,
        *,
        dead: bool = False,
        withheld: Withheld = Withheld.NO,
    ) -> Promotion:
        """Returns the reservation and ends the promotion."""
        (stored,) = await self._held(
            "release", lease, None, reason, "1" if dead else "0", withheld.value
        )
        return records.promotion_of(stored)

    async def retry(self, lease: Lease, delay_s: float, reason: str, *, counts: bool) -> None:
        """Puts the promotion back into the queue."""
        delay_ms = str(int(delay_s * 1000))
        told = again(reason, delay_s)
        await self._held("retry", lease, None, delay_ms, reason, "1" if counts else "0", told)

    async def expire_due(self, most: int) -> int:
        """Expires promotions whose reservation is over."""
        return int(await self._run("expire", most, UNFINISHED))

    async def _held(
        self, script: str, lease: Lease, before: str | None, *arguments: str | bytes
    ) -> list[Any]:
        """Runs a script under a lease. Raises LeaseLost if the lease's fence is no longer valid."""
        head = () if before is None else (before,)
        answer: list[Any]
        verdict, *answer = await self._run(
            script, *head, lease.promotion.id, str(lease.fence), *arguments
        )
        if verdict == b"lost":
            raise LeaseLost(lease.promotion.id)
        if verdict == b"overcharge":
            raise Overcharge(f"{lease.promotion.id}: {answer[0].decode()} is reserved")
        return answer
