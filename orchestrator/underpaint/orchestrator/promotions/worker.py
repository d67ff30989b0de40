"""Runs one promotion under a lease, from its draft to the settled artifact."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from underpaint.contract.errors import (
    ArtifactNotFound,
    DeadlineExceeded,
    EngineBusy,
    EngineFailed,
    LedgerUnavailable,
    ResultFlagged,
    ResultWithheld,
    ServiceUnreachable,
    UnderpaintError,
)
from underpaint.contract.generation import GenerationResult, Progress
from underpaint.contract.pictures import Digest
from underpaint.contract.promotion import Withheld
from underpaint.orchestrator import pricing
from underpaint.orchestrator.artifacts import Artifacts, media_type
from underpaint.orchestrator.notifier import notified
from underpaint.orchestrator.promotions.engine import Engine, Polish
from underpaint.orchestrator.promotions.store import (
    NO_PICTURE,
    Lease,
    LeaseLost,
    Outcome,
    PromotionStore,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

SLACK_S: Final = 30.0  # added to the engine's GPU seconds for the transfer there and back
LONGEST_BACKOFF_S: Final = 15.0
LONGEST_BUSY_S: Final = 2.0  # a busy engine is asked again after this at the latest
MAX_PREVIEW_BYTES: Final = 128 * 1024
MAX_PREVIEWS: Final = 24  # in one attempt; later steps are reported without a preview
PREVIEW_EVERY_S: Final = 0.1
HASHED_AT_ONCE: Final = 128 * 1024  # bytes; up to this size, hashing is faster than a thread
STORE_AGAIN_S: Final = 2.0
INSIST_EVERY_S: Final = 0.5
SETTLE_GRACE_S: Final = 2.0
END_AGAIN_S: Final = 0.4


class _Cancelled(Exception):
    """The promotion was cancelled."""


class _Unreached(Exception):
    """The cloud or the artifact store is out of this worker's reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Runs promotions, each from its draft to the settled artifact."""

    store: PromotionStore
    artifacts: Artifacts
    engine: Engine
    lease_s: float
    max_attempts: int
    first_backoff_s: float

    async def run(self, lease: Lease) -> bool:
        """Runs a leased promotion to its end, or puts it back into the queue.

        While the ledger is out of reach, the worker keeps the finished picture and tries again
        until another worker has taken over. Cancelling this coroutine stops the engine.

        Returns:
            False if the cloud was out of this worker's reach.
        """
        try:
            return await self._run(lease)
        except LeaseLost:
            log.warning("promotion %s has another worker now or has ended", lease.promotion.id)
            return True

    async def hand_back(self, lease: Lease) -> None:
        """Puts the promotion back so that another worker can take it at once."""
        try:
            await self.store.retry(lease, 0, "its worker stops", counts=False)
        except (LeaseLost, LedgerUnavailable):
            log.info("promotion %s could not be handed back", lease.promotion.id)

    async def _run(self, lease: Lease) -> bool:
        promotion_id = lease.promotion.id
        try:
            outcome = await self._while_held(lease, self._made(lease))
            if outcome:
                await self._settle(lease, outcome)
                log.info("promotion %s is settled", promotion_id)
        except _Cancelled:
            await _insist(lambda: self.store.release(lease, "cancelled"))
            log.info("promotion %s is cancelled", promotion_id)
        except _Unreached as error:
            reason = str(error)
            await _insist(lambda: self.store.retry(lease, 0, reason, counts=False))
            return False
        return True

    async def _made(self, lease: Lease) -> Outcome | None:
        """Makes the picture and stores it; None if the promotion waits again or has ended."""
        found = await self._found(lease)
        if found:
            return found
        if lease.promotion.attempts > self.max_attempts:
            reason = f"given up: {self.max_attempts} attempts ended without an answer"
            await _insist(lambda: self.store.release(lease, reason, dead=True))
            return None
        try:
            result = await self._generate(lease)
            # An invalid gpu_seconds must fail here, before the result is recorded.
            pricing.charge(lease.price, lease.promotion.quote.request, result.gpu_seconds, 0)
        except ServiceUnreachable as error:
            raise _Unreached(str(error)) from None
        except EngineBusy as error:
            delay = min(self.first_backoff_s * 2 ** min(lease.refusals, 10), LONGEST_BUSY_S)
            reason = str(error)
            await _insist(lambda: self.store.retry(lease, delay, reason, counts=False))
            return None
        except (EngineFailed, DeadlineExceeded) as error:
            await self._failed(lease, error)
            return None
        except ResultWithheld as error:
            return await self._withheld(lease, error)
        except UnderpaintError as error:
            reason = str(error)
            await _insist(lambda: self.store.release(lease, reason, dead=True))
            return None
        kind = media_type(result.picture)
        if len(result.picture) <= HASHED_AT_ONCE:
            digest = Digest.of(result.picture, kind)
        else:
            digest = await asyncio.to_thread(Digest.of, result.picture, kind)
        outcome = Outcome(
            digest=digest,
            model=result.model,
            upscaler=result.upscaler,
            gpu_seconds=result.gpu_seconds,
            warnings=result.warnings,
        )
        # Recorded first: if this worker dies after storing the artifact, the next one can settle.
        await _insist(lambda: self.store.record(lease, outcome))
        await self._store(result.picture, digest)
        return outcome

    async def _found(self, lease: Lease) -> Outcome | None:
        """The outcome of an earlier worker that stored the artifact but did not settle, if any."""
        if lease.outcome is None or lease.outcome.artifact is None:
            return lease.outcome
        try:
            return lease.outcome if await self.artifacts.has(lease.outcome.digest) else None
        except ServiceUnreachable as error:
            log.warning("promotion %s may be made again: %s", lease.promotion.id, error)
            return None

    async def _generate(self, lease: Lease) -> GenerationResult:
        promotion = lease.promotion
        draft = promotion.promotion.init_image
        try:
            init_image, _ = await self.artifacts.get(draft.sha256)
        except ArtifactNotFound:
            raise EngineFailed("the draft's picture is gone from the artifact store") from None
        polish = Polish(
            promotion_id=promotion.id,
            engine=promotion.quote.engine,
            request=promotion.quote.request,
            init_image=init_image,
            init_digest=draft,
        )
        timeout_s = lease.price.max_gpu_seconds + SLACK_S
        return await self.engine.generate(polish, self._teller(lease), timeout_s)

    def _teller(self, lease: Lease) -> Callable[[Progress], Coroutine[Any, Any, None]]:
        """A function that turns progress into events; it limits the size and number of previews."""
        previews, last = 0, float("-inf")

        async def tell(progress: Progress) -> None:
            nonlocal previews, last
            preview = progress.preview
            if preview and (
                len(preview) > MAX_PREVIEW_BYTES
                or previews >= MAX_PREVIEWS
                or time.monotonic() < last + PREVIEW_EVERY_S
            ):
                preview = b""
            if preview:
                previews, last = previews + 1, time.monotonic()
            told = Progress(
                step=progress.step, steps=progress.steps, stage=progress.stage, preview=preview
            )
            try:
                await self.store.progress(lease, told)
            except LedgerUnavailable:
                log.debug("step %d of %s is not reported", told.step, lease.promotion.id)

        return tell

    async def _store(self, picture: bytes, digest: Digest) -> None:
        """Stores the artifact; waits while the disk is full, for the GPU time is already spent."""
        while True:
            try:
                await self.artifacts.put(picture, digest)
                return
            except ServiceUnreachable as error:
                log.error("%s; trying again in %g s", error, STORE_AGAIN_S)
                await asyncio.sleep(STORE_AGAIN_S)

    async def _settle(self, lease: Lease, outcome: Outcome) -> None:
        promotion = lease.promotion
        quote = promotion.quote
        charged = pricing.charge(
            lease.price, quote.request, outcome.gpu_seconds, quote.max_usd_micros
        )
        cloud_only = pricing.cloud_only(charged, promotion.promotion.draft_count)
        settling = asyncio.create_task(
            _insist(lambda: self.store.settle(lease, charged, cloud_only)),
            name=f"settle {promotion.id}",
        )
        try:
            await asyncio.shield(settling)
        except asyncio.CancelledError:  # give the write that has begun a moment to finish
            await asyncio.wait({settling}, timeout=SETTLE_GRACE_S)
            settling.cancel()
            raise

    async def _failed(self, lease: Lease, error: UnderpaintError) -> None:
        attempts = lease.promotion.attempts
        if attempts >= self.max_attempts:
            reason = f"given up after {attempts} attempts: {error}"
            await _insist(lambda: self.store.release(lease, reason, dead=True))
            return
        delay = min(self.first_backoff_s * 2 ** (attempts - 1), LONGEST_BACKOFF_S)
        reason = f"attempt {attempts} failed ({error})"
        await _insist(lambda: self.store.retry(lease, delay, reason, counts=True))

    async def _withheld(self, lease: Lease, error: ResultWithheld) -> Outcome | None:
        """The outcome to charge, if the policy said so of a flagged picture; else releases."""
        flagged = isinstance(error, ResultFlagged)
        quote, reason = lease.promotion.quote, str(error)
        if flagged and quote.charges_flagged:
            outcome = Outcome(
                digest=NO_PICTURE,
                model=error.model or quote.engine,
                upscaler="",
                gpu_seconds=error.gpu_seconds,
                withheld=Withheld.FLAGGED,
                reason=reason,
            )
            try:
                pricing.charge(lease.price, quote.request, error.gpu_seconds, 0)
                await _insist(lambda: self.store.record(lease, outcome))
                return outcome
            except EngineFailed as unmeasured:
                reason += f" (not charged: {unmeasured})"
        why = Withheld.FLAGGED if flagged else Withheld.UNUSABLE
        await _insist(lambda: self.store.release(lease, reason, dead=True, withheld=why))
        return None

    async def _while_held(
        self, lease: Lease, work: Coroutine[Any, Any, Outcome | None]
    ) -> Outcome | None:
        """Runs work until it ends, the lease is lost or the promotion is cancelled."""
        working = asyncio.create_task(work, name=f"polish {lease.promotion.id}")
        holding = asyncio.create_task(self._hold(lease), name=f"lease of {lease.promotion.id}")
        try:
            await asyncio.wait({working, holding}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            holding.result()  # raises LeaseLost or _Cancelled
            return None
        finally:
            await _ended(working, holding)

    async def _hold(self, lease: Lease) -> None:
        """Renews the lease until it is lost or the promotion is cancelled.

        Raises:
            LeaseLost: another worker has it.
            _Cancelled: the promotion was cancelled.
        """
        renew_at = time.monotonic() + self.lease_s / 3
        with self.store.listen(lease.promotion.id) as news:
            while True:
                news.clear()
                try:
                    if time.monotonic() >= renew_at:
                        cancelled = await self.store.renew(lease)
                        renew_at = time.monotonic() + self.lease_s / 3
                    else:
                        cancelled = await self.store.cancelled(lease)
                except LedgerUnavailable as error:
                    # Keep working: if another worker took over, its higher fence stops our writes.
                    log.warning("the lease of %s is not renewed: %s", lease.promotion.id, error)
                    cancelled = False
                    renew_at = min(renew_at, time.monotonic() + INSIST_EVERY_S)
                if cancelled:
                    raise _Cancelled
                await notified(news, max(0, renew_at - time.monotonic()))


async def _ended(*sides: asyncio.Task[Any]) -> None:
    """Cancels tasks until they end: a library may swallow a single cancellation."""
    while running := [side for side in sides if not side.done()]:
        for side in running:
            side.cancel()
        await asyncio.wait(running, timeout=END_AGAIN_S)
    await asyncio.gather(*sides, return_exceptions=True)


async def _insist(write: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Repeats a write under a lease until the ledger answers.

    A repeat cannot take effect twice: each of these writes ends the lease or can be repeated.

    Raises:
        LeaseLost: another worker has it, or an earlier try succeeded although its answer was lost.
    """
    while True:
        try:
            return await write()
        except LedgerUnavailable as error:
            log.warning("%s", error)
            await asyncio.sleep(INSIST_EVERY_S)
