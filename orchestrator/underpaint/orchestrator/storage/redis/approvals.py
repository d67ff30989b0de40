"""Stores promotions that wait for an approval, in the Redis of the ledger."""

from __future__ import annotations

from underpaint.contract.promotion import Approval, Promotion, PromotionRequest
from underpaint.orchestrator.promotions.approvals import LAPSED, waiting_for
from underpaint.orchestrator.promotions.store import OpenQuote, expired, taken, used
from underpaint.orchestrator.storage.redis import records
from underpaint.orchestrator.storage.redis.store import RedisStore


class RedisApprovals:
    """Stores promotions that wait for an approval; it shares the store's records and keys."""

    def __init__(self, ledger: RedisStore) -> None:
        self._ledger = ledger
        self._run = ledger._run

    async def wait(
        self,
        promotion_id: str,
        content: str,
        request: PromotionRequest,
        open_quote: OpenQuote,
        approval: Approval,
    ) -> Promotion:
        """Stores a promotion that waits, and keeps its quote valid meanwhile."""
        self._ledger.check_safe()
        verdict, *answer = await self._run(
            "wait",
            promotion_id,
            content,
            records.REQUEST.dump_json(request),
            open_quote.quote.id,
            records.PRICE.dump_json(open_quote.price),
            records.QUOTE.dump_json(open_quote.quote),
            " ".join(request.account.scopes),
            approval.within_s * 1000,
            waiting_for(approval),
            request.retry_of,
            " ".join(each.sha256 for each in request.inputs.every),
            records.schema_of(request),
        )
        if verdict == b"archived":  # `promote` finds it in the archive
            return await self._ledger.promote(promotion_id, content, request, open_quote, 0)
        if verdict == b"conflict":
            raise taken(promotion_id)
        if verdict == b"expired":
            raise expired(open_quote.quote.id)
        if verdict == b"used":
            raise used(open_quote.quote.id)
        return records.promotion_from(records.pairs(answer[0]))

    async def end(self, promotion_id: str, reason: str) -> bool:
        """Releases a promotion if it is waiting."""
        return bool(await self._run("unwait", promotion_id, "released", reason, 1))

    async def lapse(self, most: int) -> int:
        """Expires promotions that nobody approved in time."""
        return int(await self._run("unwait", "", "expired", LAPSED, most))
