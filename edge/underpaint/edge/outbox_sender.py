"""Carries the outbox to the orchestrator as soon as it is in reach, each promotion once."""

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
    """One at a time, so that a promotion is never sent by two and never dropped half-sent."""

    def __init__(
        self, store: DraftStore, orchestrator: Orchestrator | None, every_s: float
    ) -> None:
        """Does nothing yet.

        Args:
            store: the drafts, and the outbox beside them.
            orchestrator: None if the node knows none; then all is only kept.
            every_s: seconds between tries while it is out of reach.
        """
        self._store = store
        self._orchestrator = orchestrator
        self._every_s = every_s
        self._one = asyncio.Lock()
        self._news = asyncio.Event()

    @property
    def waits_for(self) -> str:
        """What keeps a promotion that was put into the outbox just now."""
        return "held until the orchestrator is in reach" if self._orchestrator else NO_ADDRESS

    def wake(self) -> None:
        """Has a try made now."""
        self._news.set()

    async def run(self) -> None:
        """Sends what is held, for ever."""
        while True:
            try:
                for item in await asyncio.to_thread(self._store.outbox.items):
                    if item.state is OutboxState.HELD and not await self.send(item.promotion_id):
                        break  # out of reach for one is out of reach for all
            except Exception:
                log.exception("the outbox is not sent for now")  # one bad round is not the last
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._news.wait()
            self._news.clear()

    async def send(self, promotion_id: str, accepted_usd_micros: int = 0) -> Promotion | None:
        """Quotes a promotion anew and sends it, unless that costs more than was accepted.

        The id makes it happen once: what an earlier try achieved is found, whatever became of
        its answer, and is not quoted again.

        Args:
            promotion_id: in the outbox.
            accepted_usd_micros: consents to a price; 0 leaves what was accepted.

        Returns:
            What the orchestrator acknowledged; None if it stays in the outbox, which says why.

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
                promotion = await self._orchestrator.promote(
                    promotion_id, quote.id, request, InitImage(draft=draft, picture=picture)
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
        """Takes a promotion out, unsent. Raises PromotionNotFound if it is not there."""
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
