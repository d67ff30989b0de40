"""The RPCs about promotions: turns messages into domain values, and results into messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, Final

import grpc
from typing_extensions import override
from underpaint.contract import wire
from underpaint.contract.chunks import split
from underpaint.contract.errors import ArtifactNotFound, InvalidRequest
from underpaint.contract.generation import Inputs
from underpaint.contract.inputs import Arrivals
from underpaint.contract.promotion import Promotion, PromotionRequest, check_promotion_id
from underpaint.orchestrator.api.access import Access
from underpaint.orchestrator.api.in_flight import InFlight
from underpaint.orchestrator.callers import Callers
from underpaint.orchestrator.names import check_event_id
from underpaint.orchestrator.notifier import notified
from underpaint.orchestrator.promotions.dead_letters import DeadLetters
from underpaint.orchestrator.promotions.promoting import Promoting
from underpaint.orchestrator.promotions.quoting import Quoting
from underpaint.v1 import common_pb2, orchestrator_pb2_grpc
from underpaint.v1 import orchestrator_pb2 as pb

# Few at a time: events that a slow client has not read yet stay in the store, not in memory.
EVENTS_AT_ONCE: Final = 4
# Only a safety net: the store itself notices lost news within seconds, for all watchers at once.
WATCH_LOOK_S: Final = 60.0
CANCEL_LOOK_S: Final = 1.0
CANCEL_WAIT_S: Final = 5.0
DEFAULT_PAGE: Final = 50
MAX_PAGE: Final = 1_000

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class _Fill:
    """A PromotionRequest as sent. Called with an engine's defaults, it gives the whole request."""

    sent: pb.PromotionRequest
    access: Access

    def __call__(self, defaults: wire.Defaults) -> PromotionRequest:
        request = wire.promotion_request_from_wire(self.sent, defaults)
        return replace(request, account=self.access.bind(request.account), retry_of="")


class PromotionsServicer(orchestrator_pb2_grpc.OrchestratorServiceServicer):
    """Quotes, promotions, their events and pictures, approvals and dead letters."""

    def __init__(
        self, *, quoting: Quoting, promoting: Promoting, callers: Callers, in_flight: InFlight
    ) -> None:
        self._quoting = quoting
        self._promoting = promoting
        self._callers = callers
        self._in_flight = in_flight
        self._dead_letters = DeadLetters(quoting=quoting, promoting=promoting)
        self._store = promoting.store

    @override
    async def Quote(self, request: pb.QuoteRequest, context: Context) -> pb.QuoteResponse:
        """Prices a promotion."""
        promotion, access = request.promotion, self._access("Quote", context)
        fill = _Fill(promotion, access)
        quote = await self._quoting.quote(promotion.engine, fill, access.caller)
        return pb.QuoteResponse(quote=wire.quote_to_wire(quote))

    @override
    async def Promote(
        self, request_iterator: AsyncIterator[pb.PromoteRequest], context: Context
    ) -> pb.PromoteResponse:
        """Receives the head and the pictures, then reserves the money and enqueues the work."""
        payer = self._access("Promote", context).caller.identity
        head = await _head(request_iterator)
        arrivals = Arrivals(wire.input_digests_from_wire(head.promotion))
        # Until there is room, gRPC's flow control holds the pictures back: only their first part
        # is in this process.
        async with self._in_flight.hold(payer, arrivals.size):
            inputs = await _inputs(request_iterator, arrivals)
            access = self._access("Promote", context)  # a slow picture may outlast a token
            promotion = await self._promoting.promote(
                access.key(head.promotion_id),
                head.quote_id,
                _Fill(head.promotion, access),
                inputs,
                access.caller,
            )
        return pb.PromoteResponse(promotion=_to_wire(access, promotion))

    @override
    async def Watch(
        self, request: pb.WatchRequest, context: Context
    ) -> AsyncIterator[pb.WatchResponse]:
        """Streams the events after the last one seen, until the final one."""
        access = self._access("Watch", context)
        after = check_event_id(request.after_event_id)
        promotion = await access.promotion(self._store, request.promotion_id)
        promotion_id = promotion.id
        with self._store.listen(promotion_id) as news:
            while True:
                news.clear()
                # A token or role that was revoked meanwhile ends the stream.
                self._access("Watch", context).check(promotion)
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
                    return  # the client had already seen the final event
                if len(events) < EVENTS_AT_ONCE:
                    await notified(news, WATCH_LOOK_S)

    @override
    async def Cancel(self, request: pb.CancelRequest, context: Context) -> pb.CancelResponse:
        """Cancels a promotion, and waits up to CANCEL_WAIT_S for running work to end."""
        access = self._access("Cancel", context)
        promotion = await access.promotion(self._store, request.promotion_id)
        promotion = await self._promoting.cancel(promotion.id)
        if not promotion.state.final:
            promotion = await self._ended(promotion.id)
        return pb.CancelResponse(promotion=_to_wire(access, promotion))

    @override
    async def GetPromotion(
        self, request: pb.GetPromotionRequest, context: Context
    ) -> pb.GetPromotionResponse:
        """Reads one promotion."""
        access = self._access("GetPromotion", context)
        promotion = await access.promotion(self._store, request.promotion_id)
        return pb.GetPromotionResponse(promotion=_to_wire(access, promotion))

    @override
    async def ListPromotions(
        self, request: pb.ListPromotionsRequest, context: Context
    ) -> pb.ListPromotionsResponse:
        """Lists promotions, newest first."""
        access = self._access("ListPromotions", context)
        size = request.page_size or DEFAULT_PAGE
        if size > MAX_PAGE:
            raise InvalidRequest(f"page_size {size} is above {MAX_PAGE}")
        page = await access.page(self._store, size, request.page_token, dead=request.dead)

        def told() -> pb.ListPromotionsResponse:
            return pb.ListPromotionsResponse(
                promotions=[_to_wire(access, promotion) for promotion in page.promotions],
                next_page_token=page.next_token,
            )

        return await asyncio.to_thread(told)

    @override
    async def GetArtifact(
        self, request: pb.GetArtifactRequest, context: Context
    ) -> AsyncIterator[pb.GetArtifactResponse]:
        """Streams one of a promotion's pictures: its digest first, then its bytes."""
        access = self._access("GetArtifact", context)
        named = wire.digest_from_wire(common_pb2.Digest(sha256=request.sha256))
        promotion = await access.promotion(self._store, request.promotion_id)
        if named.sha256 not in _pictures_of(promotion):
            raise ArtifactNotFound(f"the promotion has no artifact {named.sha256}")
        artifacts = self._promoting.artifacts
        size = await artifacts.size(named.sha256)
        async with self._in_flight.hold(access.caller.identity, size):
            data, digest = await artifacts.get(named.sha256)
            yield pb.GetArtifactResponse(digest=wire.digest_to_wire(digest))
            for chunk in split(data):
                yield pb.GetArtifactResponse(chunk=common_pb2.Chunk(data=chunk))

    @override
    async def ApprovePromotion(
        self, request: pb.ApprovePromotionRequest, context: Context
    ) -> pb.ApprovePromotionResponse:
        """Approves a promotion that waits for it."""
        access = self._access("ApprovePromotion", context)
        promotion = await access.promotion(self._store, request.promotion_id)
        promotion = await self._promoting.approve(promotion.id, access.caller)
        return pb.ApprovePromotionResponse(promotion=_to_wire(access, promotion))

    @override
    async def DenyPromotion(
        self, request: pb.DenyPromotionRequest, context: Context
    ) -> pb.DenyPromotionResponse:
        """Denies a promotion that waits for approval, which ends it."""
        access = self._access("DenyPromotion", context)
        promotion = await access.promotion(self._store, request.promotion_id)
        promotion = await self._promoting.deny(promotion.id, access.caller, request.because)
        return pb.DenyPromotionResponse(promotion=_to_wire(access, promotion))

    @override
    async def QuoteRetry(
        self, request: pb.QuoteRetryRequest, context: Context
    ) -> pb.QuoteRetryResponse:
        """Quotes what retrying a dead promotion would cost now."""
        access = self._access("QuoteRetry", context)
        dead = await access.promotion(self._store, request.promotion_id)
        quote = await self._dead_letters.quote(dead.id, access.caller)
        return pb.QuoteRetryResponse(quote=wire.quote_to_wire(quote))

    @override
    async def RetryPromotion(
        self, request: pb.RetryPromotionRequest, context: Context
    ) -> pb.RetryPromotionResponse:
        """Retries a dead promotion, as a new one."""
        access = self._access("RetryPromotion", context)
        dead = await access.promotion(self._store, request.promotion_id)
        promotion = await self._dead_letters.retry(dead.id, request.quote_id, access.caller)
        return pb.RetryPromotionResponse(promotion=_to_wire(access, promotion))

    def _access(self, rpc: str, context: Context) -> Access:
        return Access.of(self._callers.of(context), rpc)

    async def _ended(self, promotion_id: str) -> Promotion:
        """The promotion once it is final, or as it stands after CANCEL_WAIT_S."""
        loop = asyncio.get_running_loop()
        until = loop.time() + CANCEL_WAIT_S
        with self._store.listen(promotion_id) as news:
            while True:
                news.clear()
                promotion = await self._store.get(promotion_id)
                if promotion.state.final or loop.time() >= until:
                    return promotion
                await notified(news, min(CANCEL_LOOK_S, until - loop.time()))


def _to_wire(access: Access, promotion: Promotion) -> pb.Promotion:
    return wire.promotion_to_wire(access.shown(promotion))


def _pictures_of(promotion: Promotion) -> set[str]:
    """The digests of what a promotion takes and, if there is one, its finished picture."""
    taken = {digest.sha256 for digest in promotion.promotion.inputs.every}
    return taken | ({promotion.artifact.sha256} if promotion.artifact else set())


async def _head(messages: AsyncIterator[pb.PromoteRequest]) -> pb.PromoteHead:
    """Reads the first message, which must be the head."""
    async for message in messages:
        if message.WhichOneof("part") != "head":
            raise InvalidRequest("a chunk came before the head; send the head first")
        check_promotion_id(message.head.promotion_id)
        return message.head
    raise InvalidRequest("no head came; send the head, then chunks")


async def _inputs(messages: AsyncIterator[pb.PromoteRequest], arrivals: Arrivals) -> Inputs:
    """Reads the pictures from the messages after the head, and checks each against its digest."""
    async for message in messages:
        if message.WhichOneof("part") == "head":
            raise InvalidRequest("a second head came; send one head, then chunks")
        arrivals.add(message.chunk.data)
    return arrivals.inputs()
