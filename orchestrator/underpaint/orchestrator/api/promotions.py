"""Promotions by RPC: messages in, domain values through, messages out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, Final

import grpc
from typing_extensions import override
from underpaint.contract import pictures, wire
from underpaint.contract.chunks import Assembly, split
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.promotion import Promotion, PromotionRequest
from underpaint.orchestrator.callers import Caller, Callers
from underpaint.orchestrator.names import check_event_id, check_promotion_id
from underpaint.orchestrator.notifier import notified
from underpaint.orchestrator.promotions.dead_letters import DeadLetters
from underpaint.orchestrator.promotions.promoting import Promoting
from underpaint.orchestrator.promotions.quoting import Quoting
from underpaint.v1 import common_pb2, orchestrator_pb2_grpc
from underpaint.v1 import orchestrator_pb2 as pb

# Few at a time: what a slow reader has not taken stays in the store.
EVENTS_AT_ONCE: Final = 4
WATCH_LOOK_S: Final = 1.0
CANCEL_WAIT_S: Final = 5.0
DEFAULT_PAGE: Final = 50
MAX_PAGE: Final = 1_000

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class _Fill:
    """A PromotionRequest as sent; called with defaults, it is complete."""

    sent: pb.PromotionRequest
    caller: Caller

    def __call__(self, defaults: wire.Defaults) -> PromotionRequest:
        request = wire.promotion_request_from_wire(self.sent, defaults)
        return replace(request, account=self.caller.bind(request.account), retry_of="")


class PromotionsServicer(orchestrator_pb2_grpc.OrchestratorServiceServicer):
    """Quotes, promotions, their events and pictures, approvals and dead letters."""

    def __init__(self, *, quoting: Quoting, promoting: Promoting, callers: Callers) -> None:
        self._quoting = quoting
        self._promoting = promoting
        self._callers = callers
        self._dead_letters = DeadLetters(quoting=quoting, promoting=promoting)
        self._store = promoting.store

    @override
    async def Quote(self, request: pb.QuoteRequest, context: Context) -> pb.QuoteResponse:
        """Prices a promotion."""
        promotion, caller = request.promotion, self._callers.of(context)
        fill = _Fill(promotion, caller)
        quote = await self._quoting.quote(promotion.engine, fill, caller.roles)
        return pb.QuoteResponse(quote=wire.quote_to_wire(quote))

    @override
    async def Promote(
        self, request_iterator: AsyncIterator[pb.PromoteRequest], context: Context
    ) -> pb.PromoteResponse:
        """Takes the head and the picture, then reserves and enqueues."""
        head, picture = await _receive(request_iterator)
        promotion = await self._promoting.promote(
            head.promotion_id,
            head.quote_id,
            _Fill(head.promotion, self._callers.of(context)),
            picture,
        )
        return pb.PromoteResponse(promotion=wire.promotion_to_wire(promotion))

    @override
    async def Watch(
        self, request: pb.WatchRequest, context: Context
    ) -> AsyncIterator[pb.WatchResponse]:
        """Events after the last one seen, until the final one."""
        promotion_id = check_promotion_id(request.promotion_id)
        after = check_event_id(request.after_event_id)
        with self._store.listen(promotion_id) as news:
            while True:
                news.clear()
                events = await self._store.events(promotion_id, after, EVENTS_AT_ONCE)
                for event in events:
                    yield pb.WatchResponse(event=wire.event_to_wire(event))
                    after = event.id
                    if event.state.final:
                        return
                if (
                    not events
                    and (await self._store.get(promotion_id)).state.final
                    and not await self._store.events(promotion_id, after, 1)
                ):
                    return  # resumed behind the final event
                if len(events) < EVENTS_AT_ONCE:
                    await notified(news, WATCH_LOOK_S)

    @override
    async def Cancel(self, request: pb.CancelRequest, context: Context) -> pb.CancelResponse:
        """Stops a promotion; waits a little for running work to end."""
        promotion_id = check_promotion_id(request.promotion_id)
        promotion = await self._promoting.cancel(promotion_id)
        if not promotion.state.final:
            promotion = await self._ended(promotion_id)
        return pb.CancelResponse(promotion=wire.promotion_to_wire(promotion))

    @override
    async def GetPromotion(
        self, request: pb.GetPromotionRequest, context: Context
    ) -> pb.GetPromotionResponse:
        """One promotion."""
        promotion = await self._store.get(check_promotion_id(request.promotion_id))
        return pb.GetPromotionResponse(promotion=wire.promotion_to_wire(promotion))

    @override
    async def ListPromotions(
        self, request: pb.ListPromotionsRequest, context: Context
    ) -> pb.ListPromotionsResponse:
        """Newest first."""
        size = request.page_size or DEFAULT_PAGE
        if size > MAX_PAGE:
            raise InvalidRequest(f"page_size {size} is above {MAX_PAGE}")
        token = request.page_token
        if token and not (token.isascii() and token.isdigit() and len(token) < 16):
            raise InvalidRequest("the page token is none of ours; begin again without one")
        pages = self._store.dead if request.dead else self._store.page
        page = await pages(size, token)
        return pb.ListPromotionsResponse(
            promotions=[wire.promotion_to_wire(promotion) for promotion in page.promotions],
            next_page_token=page.next_token,
        )

    @override
    async def GetArtifact(
        self, request: pb.GetArtifactRequest, context: Context
    ) -> AsyncIterator[pb.GetArtifactResponse]:
        """The digest, then the bytes."""
        named = wire.digest_from_wire(common_pb2.Digest(sha256=request.sha256))
        data, digest = await self._promoting.artifacts.get(named.sha256)
        yield pb.GetArtifactResponse(digest=wire.digest_to_wire(digest))
        for chunk in split(data):
            yield pb.GetArtifactResponse(chunk=common_pb2.Chunk(data=chunk))

    @override
    async def ApprovePromotion(
        self, request: pb.ApprovePromotionRequest, context: Context
    ) -> pb.ApprovePromotionResponse:
        """Lets a promotion that waits go on."""
        promotion_id = check_promotion_id(request.promotion_id)
        promotion = await self._promoting.approve(promotion_id, self._callers.of(context))
        return pb.ApprovePromotionResponse(promotion=wire.promotion_to_wire(promotion))

    @override
    async def DenyPromotion(
        self, request: pb.DenyPromotionRequest, context: Context
    ) -> pb.DenyPromotionResponse:
        """Ends a promotion that waits."""
        promotion_id = check_promotion_id(request.promotion_id)
        promotion = await self._promoting.deny(
            promotion_id, self._callers.of(context), request.because
        )
        return pb.DenyPromotionResponse(promotion=wire.promotion_to_wire(promotion))

    @override
    async def QuoteRetry(
        self, request: pb.QuoteRetryRequest, context: Context
    ) -> pb.QuoteRetryResponse:
        """What a dead promotion would cost now."""
        promotion_id = check_promotion_id(request.promotion_id)
        quote = await self._dead_letters.quote(promotion_id, self._callers.of(context))
        return pb.QuoteRetryResponse(quote=wire.quote_to_wire(quote))

    @override
    async def RetryPromotion(
        self, request: pb.RetryPromotionRequest, context: Context
    ) -> pb.RetryPromotionResponse:
        """Makes a dead promotion anew."""
        promotion_id = check_promotion_id(request.promotion_id)
        promotion = await self._dead_letters.retry(
            promotion_id, request.quote_id, self._callers.of(context)
        )
        return pb.RetryPromotionResponse(promotion=wire.promotion_to_wire(promotion))

    async def _ended(self, promotion_id: str) -> Promotion:
        """The promotion once it is final, or as it stands after a while."""
        loop = asyncio.get_running_loop()
        until = loop.time() + CANCEL_WAIT_S
        with self._store.listen(promotion_id) as news:
            while True:
                news.clear()
                promotion = await self._store.get(promotion_id)
                if promotion.state.final or loop.time() >= until:
                    return promotion
                await notified(news, min(WATCH_LOOK_S, until - loop.time()))


async def _receive(messages: AsyncIterator[pb.PromoteRequest]) -> tuple[pb.PromoteHead, bytes]:
    """The head and the whole picture, its bytes checked against their digest."""
    head: pb.PromoteHead | None = None
    assembly: Assembly | None = None
    async for message in messages:
        if message.WhichOneof("part") == "head":
            if head is not None:
                raise InvalidRequest("a second head came; send one head, then chunks")
            head = message.head
            check_promotion_id(head.promotion_id)
            digest = wire.digest_from_wire(head.promotion.init_image)
            assembly = Assembly(digest, pictures.MAX_BYTES)
        elif assembly is None:
            raise InvalidRequest("a chunk came before the head; send the head first")
        else:
            assembly.add(message.chunk.data)
    if head is None or assembly is None:
        raise InvalidRequest("no head came; send the head, then chunks")
    return head, assembly.bytes()
