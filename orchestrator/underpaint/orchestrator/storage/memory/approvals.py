"""Stores promotions that wait for an approval in memory, as `RedisApprovals` does in Redis."""

from __future__ import annotations

from dataclasses import replace

from underpaint.contract.promotion import Approval, Promotion, PromotionRequest, PromotionState
from underpaint.orchestrator.promotions.approvals import LAPSED, waiting_for
from underpaint.orchestrator.promotions.store import OpenQuote, expired, taken, used
from underpaint.orchestrator.storage.memory.records import Record
from underpaint.orchestrator.storage.memory.store import MemoryStore


class MemoryApprovals:
    """Stores promotions that wait for an approval; it shares the store's records."""

    def __init__(self, ledger: MemoryStore) -> None:
        self._ledger = ledger

    async def wait(
        self,
        promotion_id: str,
        content: str,
        request: PromotionRequest,
        open_quote: OpenQuote,
        approval: Approval,
    ) -> Promotion:
        """Stores a promotion that waits, and keeps its quote valid meanwhile."""
        ledger = self._ledger
        before = ledger._records.get(promotion_id)
        if before:
            if before.content != content:
                raise taken(promotion_id)
            return before.promotion
        if await ledger._archived(promotion_id):
            return await ledger.promote(promotion_id, content, request, open_quote, 0)
        kept = await ledger.find_quote(open_quote.quote.id)
        if kept is None or kept.content != content:
            raise expired(open_quote.quote.id)
        if ledger._promoted.get(open_quote.quote.id, promotion_id) != promotion_id:
            raise used(open_quote.quote.id)
        await ledger.keep_quote(kept, approval.within_s)
        now = ledger._now()
        record = Record(
            promotion=Promotion(
                id=promotion_id,
                state=PromotionState.WAITING,
                promotion=request,
                quote=open_quote.quote,
                created_at=now,
                updated_at=now,
                reason=waiting_for(approval),
            ),
            content=content,
            price=open_quote.price,
            number=ledger._next_number(),
            expires_at=ledger._clock() + approval.within_s,
            party=open_quote.party,
        )
        ledger._records[promotion_id] = record
        ledger._promoted[open_quote.quote.id] = promotion_id
        for digest in request.inputs.every:
            ledger._pictures.keep(digest.sha256, ledger._clock())
        ledger._retried(request.retry_of, promotion_id)
        ledger._event(record, waiting_for(approval))
        return record.promotion

    async def end(self, promotion_id: str, reason: str) -> bool:
        """Releases a promotion if it is waiting."""
        record = self._ledger._records.get(promotion_id)
        if record is None or record.promotion.state is not PromotionState.WAITING:
            return False
        self._end(record, PromotionState.RELEASED, reason)
        return True

    async def lapse(self, most: int) -> int:
        """Expires promotions that nobody approved in time."""
        ledger = self._ledger
        due = [
            record
            for record in ledger._records.values()
            if record.promotion.state is PromotionState.WAITING
            and record.expires_at <= ledger._clock()
        ][:most]
        for record in due:
            self._end(record, PromotionState.EXPIRED, LAPSED)
        return len(due)

    def _end(self, record: Record, state: PromotionState, reason: str) -> None:
        record.promotion = replace(
            record.promotion, state=state, reason=reason, updated_at=self._ledger._now()
        )
        self._ledger._event(record, reason)
