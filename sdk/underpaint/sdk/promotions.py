"""The client's methods about promotions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from underpaint.contract.chunks import split
from underpaint.contract.drafts import InitImage
from underpaint.contract.errors import EngineFailed, InvalidRequest, ServiceUnreachable, Unavailable
from underpaint.contract.pictures import Digest
from underpaint.contract.promotion import Promotion, PromotionEvent, Quote
from underpaint.contract.wire import (
    event_from_wire,
    promotion_from_wire,
    quote_from_wire,
)
from underpaint.sdk.peer import Peer, answers
from underpaint.sdk.requests import PolishRequest, new_promotion_id
from underpaint.v1 import common_pb2, orchestrator_pb2

if TYPE_CHECKING:
    # Generated for type checkers only.
    from underpaint.v1.orchestrator_pb2_grpc import OrchestratorServiceAsyncStub

log = logging.getLogger(__name__)

MAX_ARTIFACT_BYTES: Final = 64 * 2**20


class Promotions:
    """Quotes, promotions, their events and pictures, and retries."""

    _orchestrator: Peer[OrchestratorServiceAsyncStub]
    _pauses_s: tuple[float, ...]

    async def quote(self, init_image: InitImage, polish: PolishRequest) -> Quote:
        """Quotes the most that a promotion would cost, and where it would go. Spends nothing.

        It takes an InitImage, because a quote sends the prompt to the orchestrator.

        Raises:
            InvalidRequest: a picture does not fit, the engine does not take it, or the
                orchestrator is too old for a part of the request.
            PolicyRefused, PrivacyViolation: a rule of the policy forbids it.
        """
        request = orchestrator_pb2.QuoteRequest(promotion=polish.to_wire(init_image))
        with self._orchestrator.call("Quote") as options:
            answer = await self._orchestrator.stub.Quote(request, **options)
        quote = quote_from_wire(answer.quote)
        for name in ("loras", "scheduler", "clip_skip", "control_scale"):
            if getattr(quote.request, name) != getattr(polish, name):
                raise InvalidRequest(
                    f"{self._orchestrator.label} is of an earlier version and would leave {name} "
                    "out; upgrade it, or ask without"
                )
        return quote

    async def promote(
        self,
        init_image: InitImage,
        polish: PolishRequest,
        *,
        quote_id: str,
        promotion_id: str = "",
    ) -> Promotion:
        """Makes a promotion: sends the draft and reserves the quoted money.

        If the answer is lost, it tries again with the same id, so nothing is paid for twice.

        Args:
            init_image: a draft that may leave its device.
            polish: the same as was quoted.
            quote_id: the quote that was accepted.
            promotion_id: the id of an earlier attempt, to repeat it; "" makes a new id.

        Raises:
            PromotionConflict: the id is used for other content.
            BudgetExceeded: a budget has no room for the quote.
            QuoteExpired: the quote has expired or was used; ask for a new one.
            LedgerFrozen: spending is frozen.
        """
        head = orchestrator_pb2.PromoteHead(
            promotion_id=promotion_id or new_promotion_id(),
            quote_id=quote_id,
            promotion=polish.to_wire(init_image),
        )

        pictures = polish.inputs(init_image).pictures

        async def parts() -> AsyncGenerator[orchestrator_pb2.PromoteRequest, None]:
            yield orchestrator_pb2.PromoteRequest(head=head)
            for picture in pictures:
                for data in split(picture):
                    yield orchestrator_pb2.PromoteRequest(chunk=common_pb2.Chunk(data=data))

        tries = 0
        while True:
            try:
                with self._orchestrator.call("Promote") as options:
                    answer = await self._orchestrator.stub.Promote(parts(), **options)
                return promotion_from_wire(answer.promotion)
            except Unavailable as error:
                await self._pause(tries, error)
                tries += 1

    async def watch(
        self, promotion_id: str, *, after_event_id: str = ""
    ) -> AsyncGenerator[PromotionEvent, None]:
        """Yields the events of a promotion up to the final one; resumes after a lost connection.

        Args:
            promotion_id: the promotion.
            after_event_id: the last event already seen; "" for all events.

        Raises:
            PromotionNotFound: there is no such promotion.
            Unavailable: the connection was lost and several tries in a row failed.
        """
        seen = after_event_id
        tries = 0
        while True:
            heard = False
            try:
                async with aclosing(self._events(promotion_id, seen)) as events:
                    async for event in events:
                        heard, tries, seen = True, 0, event.id
                        yield event
                        if event.state.final:
                            return
                # The stream ended without the final event: the server is shutting down, or
                # `after_event_id` is already the final event.
                if not heard and (await self.get_promotion(promotion_id)).state.final:
                    return
                raise ServiceUnreachable(f"{self._orchestrator.label} closed the stream; try again")
            except Unavailable as error:
                await self._pause(tries, error)
                tries += 1

    async def cancel(self, promotion_id: str) -> Promotion:
        """Cancels a promotion; nothing is charged. A finished promotion stays as it is.

        Raises:
            PromotionNotFound: there is no such promotion.
        """
        with self._orchestrator.call("Cancel") as options:
            answer = await self._orchestrator.stub.Cancel(
                orchestrator_pb2.CancelRequest(promotion_id=promotion_id), **options
            )
        return promotion_from_wire(answer.promotion)

    async def get_promotion(self, promotion_id: str) -> Promotion:
        """Reads a promotion.

        Raises:
            PromotionNotFound: there is no such promotion.
        """
        with self._orchestrator.call("GetPromotion") as options:
            answer = await self._orchestrator.stub.GetPromotion(
                orchestrator_pb2.GetPromotionRequest(promotion_id=promotion_id), **options
            )
        return promotion_from_wire(answer.promotion)

    async def quote_retry(self, promotion_id: str) -> Quote:
        """Quotes the most that retrying a dead promotion would cost now. Spends nothing.

        Raises:
            PromotionNotFound: there is no such promotion.
            NotDead: it is not dead.
            PolicyRefused: a rule of the policy forbids it.
        """
        request = orchestrator_pb2.QuoteRetryRequest(promotion_id=promotion_id)
        with self._orchestrator.call("QuoteRetry") as options:
            answer = await self._orchestrator.stub.QuoteRetry(request, **options)
        return quote_from_wire(answer.quote)

    async def retry(self, promotion_id: str, *, quote_id: str) -> Promotion:
        """Retries a dead promotion as a new promotion, at today's price.

        Retrying it again changes nothing and returns the same new promotion.

        Args:
            promotion_id: the dead promotion.
            quote_id: the quote from `quote_retry` that was accepted.

        Raises:
            PromotionNotFound, NotDead, PolicyRefused: as for `quote_retry`.
            BudgetExceeded: a budget has no room for the quote.
            QuoteExpired: the quote has expired or was used; ask for a new one.
        """
        request = orchestrator_pb2.RetryPromotionRequest(
            promotion_id=promotion_id, quote_id=quote_id
        )
        with self._orchestrator.call("RetryPromotion") as options:
            answer = await self._orchestrator.stub.RetryPromotion(request, **options)
        return promotion_from_wire(answer.promotion)

    async def list_promotions(self, limit: int = 50, *, dead: bool = False) -> list[Promotion]:
        """Lists up to `limit` promotions, newest first.

        With `dead`, lists only dead promotions that were not retried.
        """
        found: list[Promotion] = []
        token = ""
        while len(found) < limit:
            page = orchestrator_pb2.ListPromotionsRequest(
                page_size=min(limit - len(found), 1_000), page_token=token, dead=dead
            )
            with self._orchestrator.call("ListPromotions") as options:
                answer = await self._orchestrator.stub.ListPromotions(page, **options)
            found.extend(promotion_from_wire(wire) for wire in answer.promotions)
            token = answer.next_page_token
            if not token:
                break
        return found

    async def get_artifact(self, promotion_id: str, sha256: str) -> bytes:
        """Reads a promotion's draft or finished picture, checked against its SHA-256.

        Returns:
            The bytes of an encoded image file.

        Raises:
            PromotionNotFound: there is no such promotion.
            ArtifactNotFound: the promotion has no picture with this SHA-256.
            EngineFailed: the bytes arrived damaged.
        """
        arrival = None
        with self._orchestrator.call("GetArtifact") as options:
            call = self._orchestrator.stub.GetArtifact(
                orchestrator_pb2.GetArtifactRequest(promotion_id=promotion_id, sha256=sha256),
                **options,
            )
            async with aclosing(answers(call)) as parts:
                async for part in parts:
                    if part.WhichOneof("part") == "digest":
                        # Check against the SHA-256 that was asked for, not the one in the answer.
                        digest = Digest(sha256=sha256, size=part.digest.size)
                        arrival = self._orchestrator.arrival(digest, MAX_ARTIFACT_BYTES)
                    elif arrival is not None:
                        arrival.add(part.chunk.data)
        if arrival is None:
            raise EngineFailed(f"{self._orchestrator.label} answered without a picture; try again")
        return arrival.bytes()

    async def _events(self, promotion_id: str, after: str) -> AsyncGenerator[PromotionEvent, None]:
        request = orchestrator_pb2.WatchRequest(promotion_id=promotion_id, after_event_id=after)
        with self._orchestrator.call("Watch") as options:
            call = self._orchestrator.stub.Watch(request, **options)
            async with aclosing(answers(call)) as parts:
                async for part in parts:
                    yield event_from_wire(part.event)

    async def _pause(self, tries: int, error: Unavailable) -> None:
        """Waits before the next try; raises the error after the last one."""
        if tries >= len(self._pauses_s):
            raise error
        log.info("trying again in %s s: %s", self._pauses_s[tries], error)
        await asyncio.sleep(self._pauses_s[tries])
