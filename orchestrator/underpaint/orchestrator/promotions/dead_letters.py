"""The use cases of a dead letter: what a dead promotion would cost now, and to make it anew.

A retry is a new promotion with a reservation of its own, by the prices, the policy and the
budgets of today; it names the one that it repeats. Its id follows from that one's, so that a
dead promotion is retried once however often and by however many it is asked.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

from underpaint.contract.errors import NotDead, PromotionNotFound
from underpaint.contract.promotion import Promotion, PromotionRequest, Quote
from underpaint.orchestrator.callers import Caller
from underpaint.orchestrator.names import RETRY, bare
from underpaint.orchestrator.promotions.promoting import Promoting
from underpaint.orchestrator.promotions.quoting import Quoting


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters:
    """What retrying needs."""

    quoting: Quoting
    promoting: Promoting

    async def quote(self, promotion_id: str, caller: Caller) -> Quote:
        """The most a dead promotion would cost now; spends nothing.

        Raises:
            PromotionNotFound: no such promotion.
            NotDead: it has not failed.
            PolicyRefused: a rule says no, or the account is not this caller's.
        """
        dead = await self._dead(promotion_id)
        request = _anew(dead)
        return await self.quoting.quote(request.engine, lambda _: request, caller)

    async def retry(self, promotion_id: str, quote_id: str, caller: Caller) -> Promotion:
        """The promotion that repeats a dead one; again it answers with what is stored.

        Args:
            promotion_id: of the dead one.
            quote_id: of `quote`.
            caller: who asks.

        Raises:
            ArtifactNotFound: the draft's picture is gone.
            PromotionNotFound, NotDead, PolicyRefused: as for `quote`.
            QuoteExpired, BudgetExceeded, LedgerFrozen: see `PromotionStore.promote`.
        """
        dead = await self._dead(promotion_id)
        request = _anew(dead)
        new_id = retry_id(promotion_id)
        try:
            before = await self.promoting.store.get(new_id)
            if before.promotion.retry_of != dead.id:
                # Somebody of the organisation has chosen the very id that it would have had.
                new_id += RETRY
                before = await self.promoting.store.get(new_id)
        except PromotionNotFound:
            picture, _ = await self.promoting.artifacts.get(request.init_image.sha256)
            return await self.promoting.promote(
                new_id, quote_id, lambda _: request, picture, caller
            )
        return before

    async def _dead(self, promotion_id: str) -> Promotion:
        promotion = await self.promoting.store.get(promotion_id)
        if not promotion.dead:
            told = promotion.reason or f"it is {promotion.state.value}"
            raise NotDead(
                f"promotion {bare(promotion_id)} cannot be retried, for it is not dead: {told}"
            )
        return promotion


def retry_id(promotion_id: str) -> str:
    """The id of the promotion that repeats a dead one, in the same organisation."""
    organisation = promotion_id.rpartition("/")[0]
    digest = hashlib.sha256(f"retry of {promotion_id}".encode()).hexdigest()[:16]
    return f"{organisation}/{digest}"


def _anew(dead: Promotion) -> PromotionRequest:
    """What was asked then; the engine is policy's choice again, unless it was the artist's."""
    return replace(
        dead.promotion,
        engine=json.loads(dead.quote.facts.get("request.engine", '""')),
        retry_of=dead.id,
    )
