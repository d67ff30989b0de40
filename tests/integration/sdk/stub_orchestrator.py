"""An orchestrator to script: what concerns promotions, and the rest by inheritance."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from PIL import Image
from underpaint.contract.chunks import split
from underpaint.contract.errors import (
    ArtifactNotFound,
    PromotionConflict,
    PromotionNotFound,
    ServiceUnreachable,
)
from underpaint.contract.generation import Inputs
from underpaint.contract.inputs import Arrivals
from underpaint.contract.pictures import Digest, encode_png, encode_preview
from underpaint.contract.promotion import (
    Lineage,
    Promotion,
    PromotionEvent,
    PromotionRequest,
    PromotionState,
    Quote,
    QuoteLine,
    Receipt,
    RuleVerdict,
)
from underpaint.contract.wire import (
    digest_to_wire,
    event_to_wire,
    input_digests_from_wire,
    promotion_request_from_wire,
    promotion_to_wire,
    quote_to_wire,
)
from underpaint.v1 import (
    common_pb2,
    orchestrator_pb2,
)

from tests.integration.sdk.script import FULL, NOW, telling_when_left
from tests.integration.sdk.stub_ledger import StubLedger
from tests.integration.sdk.stub_policy import StubPolicy


class StubOrchestrator(StubLedger, StubPolicy):
    def __init__(self) -> None:
        StubLedger.__init__(self)
        StubPolicy.__init__(self)
        self.events: dict[str, list[PromotionEvent]] = {}
        self.artifacts: dict[str, bytes] = {}
        self.heads: list[str] = []
        self.wanted: list[PromotionRequest] = []
        self.inputs: dict[str, Inputs] = {}
        self.price = 12_500
        self.altered: Callable[[Quote], Quote] = lambda quote: quote
        self.lose_promote_replies = 0
        self.break_watch_after: list[int] = []
        self.outcome = PromotionState.SETTLED
        self.hanging = False
        self.warnings: tuple[str, ...] = ()
        self.left = threading.Event()

    async def Quote(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("Quote")
        wanted = promotion_request_from_wire(request.promotion, FULL)
        self.wanted.append(wanted)
        return orchestrator_pb2.QuoteResponse(quote=quote_to_wire(self._quote(wanted)))

    async def Promote(self, requests: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("Promote")
        head = None
        async for part in requests:
            if part.WhichOneof("part") == "head":
                head = part.head
                arrivals = Arrivals(input_digests_from_wire(head.promotion))
            else:
                arrivals.add(part.chunk.data)
        self.inputs[head.promotion_id] = arrivals.inputs()
        self.heads.append(head.promotion_id)
        wanted = promotion_request_from_wire(head.promotion, FULL)
        known = self.promotions.get(head.promotion_id)
        if known and known.promotion != wanted:
            raise PromotionConflict(f"promotion {head.promotion_id} is taken by other content")
        if not known:
            self._finish(head.promotion_id, wanted)
        if self.lose_promote_replies:
            self.lose_promote_replies -= 1
            raise ServiceUnreachable("the reply was lost")
        promotion = replace(self.promotions[head.promotion_id], state=PromotionState.RESERVED)
        return orchestrator_pb2.PromoteResponse(promotion=promotion_to_wire(promotion))

    @telling_when_left
    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        self.script.enter("Watch")
        if request.promotion_id not in self.events:
            raise PromotionNotFound(f"no promotion {request.promotion_id}; see the list")
        fresh = [e for e in self.events[request.promotion_id] if e.id > request.after_event_id]
        limit = self.break_watch_after.pop(0) if self.break_watch_after else len(fresh)
        for event in fresh[:limit]:
            yield orchestrator_pb2.WatchResponse(event=event_to_wire(event))
        if self.hanging:
            await asyncio.Event().wait()
        if limit < len(fresh):
            raise ServiceUnreachable("going away")

    async def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("Cancel")
        return orchestrator_pb2.CancelResponse(promotion=self._promotion(request.promotion_id))

    async def GetPromotion(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("GetPromotion")
        return orchestrator_pb2.GetPromotionResponse(
            promotion=self._promotion(request.promotion_id)
        )

    async def ListPromotions(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("ListPromotions")
        newest = [
            promotion_to_wire(each)
            for each in reversed(self.promotions.values())
            if not request.dead or (each.dead and not each.retried_as)
        ]
        return orchestrator_pb2.ListPromotionsResponse(promotions=newest[: request.page_size])

    async def GetArtifact(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        self.script.enter("GetArtifact")
        if request.sha256 not in self.artifacts:
            raise ArtifactNotFound(f"no artifact {request.sha256}")
        data = self.artifacts[request.sha256]
        yield orchestrator_pb2.GetArtifactResponse(digest=digest_to_wire(Digest.of(data)))
        for chunk in split(data):
            yield orchestrator_pb2.GetArtifactResponse(chunk=common_pb2.Chunk(data=chunk))

    async def ApprovePromotion(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("ApprovePromotion")
        stored = self.promotions[request.promotion_id]
        self.promotions[request.promotion_id] = replace(
            stored, state=PromotionState.RESERVED, approved_by="ana"
        )
        return orchestrator_pb2.ApprovePromotionResponse(
            promotion=self._promotion(request.promotion_id)
        )

    async def DenyPromotion(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("DenyPromotion")
        self.promotions[request.promotion_id] = replace(
            self.promotions[request.promotion_id],
            state=PromotionState.RELEASED,
            reason=f"denied by ana: {request.because}",
        )
        return orchestrator_pb2.DenyPromotionResponse(
            promotion=self._promotion(request.promotion_id)
        )

    async def QuoteRetry(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("QuoteRetry")
        dead = self.promotions[request.promotion_id]
        quote = replace(self._quote(dead.promotion), id="quote-again", max_usd_micros=13_000)
        return orchestrator_pb2.QuoteRetryResponse(quote=quote_to_wire(quote))

    async def RetryPromotion(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("RetryPromotion")
        assert request.quote_id == "quote-again"
        dead = self.promotions[request.promotion_id]
        new_id = f"{dead.id}-again"
        self.outcome = PromotionState.SETTLED
        self._finish(new_id, replace(dead.promotion, retry_of=dead.id))
        self.promotions[dead.id] = replace(dead, retried_as=new_id)
        return orchestrator_pb2.RetryPromotionResponse(promotion=self._promotion(new_id))

    def _promotion(self, promotion_id: str) -> Any:
        if promotion_id not in self.promotions:
            raise PromotionNotFound(f"no promotion {promotion_id}; see the list of promotions")
        return promotion_to_wire(self.promotions[promotion_id])

    def _quote(self, wanted: Any) -> Quote:
        quote = Quote(
            id="quote-1",
            engine=wanted.engine or "full",
            max_usd_micros=self.price,
            price_table_version="stub-1",
            expires_at=datetime.now(UTC) + timedelta(minutes=5),
            verdicts=(
                RuleVerdict(
                    rule="stays-on-device", matched=False, decided=False, reason="privacy is full"
                ),
                RuleVerdict(rule="polish", matched=True, decided=True, reason="takes the rest"),
            ),
            lines=(
                QuoteLine(what="28 steps x 1.049 megapixels", usd_micros=11_500),
                QuoteLine(what="1 picture", usd_micros=1_000),
            ),
            cloud_only_usd_micros=12_500 * (wanted.draft_count + 1),
            request=wanted.request,
            priority=wanted.priority,
            warnings=self.warnings,
        )
        return self.altered(quote)

    def _finish(self, promotion_id: str, wanted: Any) -> None:
        quote = self._quote(wanted)
        settled = self.outcome is PromotionState.SETTLED
        image = Image.new("RGB", (wanted.request.width, wanted.request.height), (20, 120, 120))
        data = encode_png(image)
        self.artifacts[Digest.of(data).sha256] = data
        self.promotions[promotion_id] = Promotion(
            id=promotion_id,
            state=self.outcome,
            promotion=wanted,
            quote=quote,
            created_at=NOW,
            updated_at=NOW,
            attempts=1,
            warnings=self.warnings if settled else (),
            reason="" if settled else "the engine ran out of memory",
            artifact=Digest.of(data) if settled else None,
            lineage=Lineage(
                draft_sha256=wanted.init_image.sha256,
                draft_id=wanted.draft_id,
                draft_model=wanted.draft_model,
                draft_seed=wanted.draft_seed,
                engine=quote.engine,
                model="stub-full",
                upscaler="",
                request=wanted.request,
            )
            if settled
            else None,
            receipt=Receipt(
                quoted_usd_micros=12_500,
                charged_usd_micros=9_400,
                cloud_only_usd_micros=quote.cloud_only_usd_micros,
                price_table_version="stub-1",
                gpu_seconds=1.5,
                settled_at=NOW,
            )
            if settled
            else None,
        )
        states = [PromotionState.RESERVED, *[PromotionState.RUNNING] * 4, self.outcome]
        self.events[promotion_id] = [
            PromotionEvent(
                id=f"{i + 1:04d}",
                at=NOW,
                state=state,
                step=i if state is PromotionState.RUNNING else 0,
                steps=4 if state is PromotionState.RUNNING else 0,
                preview=encode_preview(image) if i in (2, 4) else b"",
                message="denoising" if state is PromotionState.RUNNING else "",
            )
            for i, state in enumerate(states)
        ]
