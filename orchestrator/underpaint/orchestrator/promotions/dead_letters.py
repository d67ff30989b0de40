"""The use cases of dead promotions: quote a retry, and retry.

A retry is a new promotion with its own reservation, under today's prices, policy and budgets; it
names the promotion that it repeats. Its id is derived from that promotion's id, so a dead
promotion is retried only once, however often it is asked.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

from underpaint.contract.errors import NotDead, PromotionNotFound
from underpaint.contract.generation import MAX_SEED
from underpaint.contract.promotion import Promotion, PromotionRequest, Quote
from underpaint.orchestrator.callers import Caller
from underpaint.orchestrator.names import RETRY, bare
from underpaint.orchestrator.promotions.promoting import Promoting
from underpaint.orchestrator.promotions.quoting import Quoting


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters:
    """Quotes and makes retries."""

    quoting: Quoting
    promoting: Promoting

    async def quote(self, promotion_id: str, caller: Caller) -> Quote:
        """Quotes what retrying a dead promotion would cost at most; spends nothing.

        Raises:
            PromotionNotFound: no such promotion.
            NotDead: it is not dead.
            PolicyRefused: a rule of the policy forbids it.
        """
        dead = await self._dead(promotion_id)
        request = _anew(dead)
        return await self.quoting.quote(request.engine, lambda _: request, caller)

    async def retry(self, promotion_id: str, quote_id: str, caller: Caller) -> Promotion:
        """Makes the promotion that repeats a dead one. Asked again, it returns what is stored.

        Args:
            promotion_id: the dead promotion.
            quote_id: a quote from `quote`.
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
                # Somebody in the organisation already uses the id that this retry would get.
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
                f"promotion {bare(promotion_id)} cannot be retried because it is not dead: {told}"
            )
        return promotion


def retry_id(promotion_id: str) -> str:
    """The id of the promotion that repeats a dead one, in the same organisation."""
    organisation = promotion_id.rpartition("/")[0]
    digest = hashlib.sha256(f"retry of {promotion_id}".encode()).hexdigest()[:16]
    return f"{organisation}/{digest}"


def _anew(dead: Promotion) -> PromotionRequest:
    """The request of a dead promotion; the engine stays only if the artist had named it.

    If its picture was withheld, the next seed is taken: the same one would make it again.
    """
    request = dead.promotion.request
    if dead.withheld.value:
        request = replace(request, seed=(request.seed + 1) % (MAX_SEED + 1))
    return replace(
        dead.promotion,
        request=request,
        engine=json.loads(dead.quote.facts.get("request.engine", '""')),
        retry_of=dead.id,
    )
