"""Sends the outbox to the orchestrator as soon as it can be reached, each promotion once."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from underpaint.contract.drafts import InitImage
from underpaint.contract.errors import (
    DeadlineExceeded,
    ServiceUnreachable,
    Unavailable,
    UnderpaintError,
)
from underpaint.contract.money import format_usd
from underpaint.contract.outbox import OutboxItem, OutboxState
from underpaint.contract.promotion import Promotion
from underpaint.edge.orchestrator import Orchestrator
from underpaint.edge.store import DraftStore

log = logging.getLogger(__name__)

NO_ADDRESS = "this node knows no orchestrator; start it with --orchestrator HOST:PORT"


class OutboxSender:
    """Sends promotions one at a time, so that none is sent twice or dropped while it is sent."""

    def __init__(
        self, store: DraftStore, orchestrator: Orchestrator | None, every_s: float
    ) -> None:
        """Makes a sender; `run` starts the work.

        Args:
            store: the drafts and the outbox.
            orchestrator: None if the node has no orchestrator; then nothing is sent.
            every_s: seconds between tries while the orchestrator is out of reach.
        """
        self._store = store
        self._orchestrator = orchestrator
        self._every_s = every_s
        self._one = asyncio.Lock()
        self._news = asyncio.Event()

    @property
    def waits_for(self) -> str:
        """Why a promotion that was just put into the outbox is not sent yet."""
        return "held until the orchestrator is in reach" if self._orchestrator else NO_ADDRESS

    def wake(self) -> None:
        """Makes `run` try at once."""
        self._news.set()

    async def run(self) -> None:
        """Keeps sending promotions whose state is HELD; never returns."""
        while True:
            try:
                for item in await asyncio.to_thread(self._store.outbox.items):
                    if item.state is OutboxState.HELD and not await self.send(item.promotion_id):
                        break  # if one cannot be sent, the orchestrator is out of reach for all
            except Exception:  # the next round may succeed
                log.exception("the outbox cannot be sent for now")
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._news.wait()
            self._news.clear()

    async def send(self, promotion_id: str, accepted_usd_micros: int = 0) -> Promotion | None:
        """Quotes a promotion again and sends it, unless it costs more than was accepted.

        If an earlier try succeeded although its answer was lost, the promotion is found by its
        id and is not quoted again.

        Args:
            promotion_id: a promotion in the outbox.
            accepted_usd_micros: the new accepted price; 0 leaves it unchanged.

        Returns:
            The promotion that the orchestrator acknowledged; None if it stays in the outbox,
            where its item says why.

        Raises:
            PromotionNotFound: it is not in the outbox.
        """
        outbox = self._store.outbox
        async with self._one:
            if accepted_usd_micros:
                await asyncio.to_thread(outbox.accept, promotion_id, accepted_usd_micros)
            item, request = await asyncio.to_thread(outbox.find, promotion_id)
            quoted = item.quoted_usd_micros
            try:
                if self._orchestrator is None:
                    raise ServiceUnreachable(NO_ADDRESS)
                found = await self._orchestrator.find(promotion_id)
                quote = found.quote if found else await self._orchestrator.quote(request)
                quoted = quote.max_usd_micros
                if found is None and quoted > item.accepted_usd_micros:
                    await self._note(item, OutboxState.ASKS, _dearer(item, quoted), quoted)
                    return None
                draft = await asyncio.to_thread(self._store.find, item.draft_id)
                picture = await asyncio.to_thread(self._store.picture, draft)
                others = await asyncio.to_thread(outbox.pictures, promotion_id)
                promotion = await self._orchestrator.promote(
                    promotion_id, quote.id, request, InitImage(draft=draft, picture=picture), others
                )
            except (Unavailable, DeadlineExceeded) as error:
                await self._note(item, OutboxState.HELD, str(error), quoted)
                return None
            except UnderpaintError as error:
                await self._note(item, OutboxState.REFUSED, str(error), quoted)
                return None
            await asyncio.to_thread(outbox.remove, promotion_id)
            log.info("promotion %s is sent from the outbox", promotion_id)
            return promotion

    async def drop(self, promotion_id: str) -> OutboxItem:
        """Removes a promotion without sending it. Raises PromotionNotFound if it is not there."""
        async with self._one:
            item, _ = await asyncio.to_thread(self._store.outbox.find, promotion_id)
            await asyncio.to_thread(self._store.outbox.remove, promotion_id)
            return item

    async def _note(self, item: OutboxItem, state: OutboxState, reason: str, quoted: int) -> None:
        if (state, reason, quoted) == (item.state, item.reason, item.quoted_usd_micros):
            return
        log.info("promotion %s stays in the outbox, %s: %s", item.promotion_id, state.value, reason)
        await asyncio.to_thread(self._store.outbox.note, item.promotion_id, state, reason, quoted)


def _dearer(item: OutboxItem, quoted: int) -> str:
    accepted = item.accepted_usd_micros
    before = f"{format_usd(accepted)} was accepted" if accepted else "no price was accepted yet"
    return f"it costs at most {format_usd(quoted)} now, and {before}"
