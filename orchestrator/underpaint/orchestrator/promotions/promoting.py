"""The use cases of a promotion: make it once, approve or deny it, cancel it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import Final

from underpaint.contract import pictures
from underpaint.contract.errors import (
    InvalidRequest,
    PolicyRefused,
    PromotionNotFound,
    QuoteExpired,
    ServiceUnreachable,
)
from underpaint.contract.promotion import Promotion, PromotionRequest, PromotionState, Quote
from underpaint.contract.wire import Defaults
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.callers import Caller
from underpaint.orchestrator.names import bare
from underpaint.orchestrator.promotions.approvals import Approvals, not_waiting
from underpaint.orchestrator.promotions.quoting import Fill, check, content_of
from underpaint.orchestrator.promotions.store import PromotionStore, expired, taken

log = logging.getLogger(__name__)

MAX_BECAUSE: Final = 500  # characters
_SWEPT_LOOK_S, _SWEPT_LOOKS = 0.05, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoting:
    """What promoting needs."""

    store: PromotionStore
    artifacts: Artifacts
    approvals: Approvals
    reservation_s: float

    async def promote(
        self, promotion_id: str, quote_id: str, fill: Fill, picture: bytes, caller: Caller
    ) -> Promotion:
        """Reserves the quote and enqueues the polish, once for each promotion id.

        Args:
            promotion_id: chosen by the client, behind its organisation.
            quote_id: of a quote for the same request.
            fill: the request, with the quote's values where it said nothing.
            picture: init_image, whole, its bytes already checked against their digest.
            caller: who was quoted.

        Raises:
            InvalidRequest: the picture is none, or has another size than was quoted.
            PromotionConflict, QuoteExpired, BudgetExceeded: see `PromotionStore.promote`.
        """
        try:
            before = await self.store.get(promotion_id)
        except PromotionNotFound:
            before = None
        if before:
            return self._again(before, fill)
        open_quote = await self.store.find_quote(quote_id) if quote_id else None
        if open_quote is None or open_quote.caller != caller.identity:
            raise expired(quote_id)
        request = check(_completed(fill, open_quote.quote))
        content = content_of(request)
        if content != open_quote.content:
            raise QuoteExpired(f"quote {quote_id} is for other content; ask for a new one")
        await self._keep_picture(request, picture)
        approval = open_quote.quote.approval
        if approval:
            return await self.approvals.wait(promotion_id, content, request, open_quote, approval)
        return await self.store.promote(
            promotion_id, content, request, open_quote, self.reservation_s
        )

    async def approve(self, promotion_id: str, caller: Caller) -> Promotion:
        """Lets a promotion that waits go on: reserves its quote and enqueues the work.

        The budgets and the policy's ceiling are those of the quote; its price is as quoted.
        Once approved it answers with what is stored, whoever asks again.

        Raises:
            PromotionNotFound: no such promotion.
            PolicyRefused: the caller lacks the role.
            NotWaiting: it was denied or cancelled, its time is over, or it needs no approval.
            BudgetExceeded, LedgerFrozen: see `PromotionStore.promote`; it goes on waiting.
        """
        waiting = await self.store.get(promotion_id)
        _check_role(waiting, caller)
        open_quote = await self.store.find_quote(waiting.quote.id)
        if waiting.state is PromotionState.WAITING and open_quote:
            waiting = await self.store.promote(
                promotion_id,
                open_quote.content,
                waiting.promotion,
                open_quote,
                self.reservation_s,
                approved_by=caller.name,
            )
        if not waiting.approved_by:
            raise not_waiting(waiting)
        return waiting

    async def deny(self, promotion_id: str, caller: Caller, because: str) -> Promotion:
        """Ends a promotion that waits; denied by the same caller before, it stays so.

        Raises:
            InvalidRequest: there is no reason.
            PromotionNotFound, PolicyRefused, NotWaiting: as for `approve`.
        """
        because = " ".join(because.split())
        if not 0 < len(because) <= MAX_BECAUSE:
            raise InvalidRequest(f"say why, in 1 to {MAX_BECAUSE} characters")
        _check_role(await self.store.get(promotion_id), caller)
        reason = f"denied by {caller.name}: {because}"
        await self.approvals.end(promotion_id, reason)
        denied = await self.store.get(promotion_id)
        if denied.reason != reason:  # it was decided otherwise before
            raise not_waiting(denied)
        return denied

    async def cancel(self, promotion_id: str) -> Promotion:
        """See `PromotionStore.cancel`; what waits for an approval is released, too."""
        if await self.approvals.end(promotion_id, "cancelled"):
            return await self.store.get(promotion_id)
        return await self.store.cancel(promotion_id)

    def _again(self, before: Promotion, fill: Fill) -> Promotion:
        """What is stored, if it is the same; its quote and budget no longer matter."""
        request = check(_completed(fill, before.quote))
        if content_of(request) != content_of(before.promotion):
            raise taken(before.id)
        return before

    async def _keep_picture(self, request: PromotionRequest, picture: bytes) -> None:
        """Stores init_image before the promise is given, so that the promise can be kept."""

        def check_size(data: bytes) -> None:
            seen = pictures.read(data)
            image = seen.image
            if image.size != (request.init_width, request.init_height):
                raise InvalidRequest(
                    f"init_image is {image.width} x {image.height}, not {request.init_width} x "
                    f"{request.init_height} as was said; quote it again"
                )
            for warning in seen.warnings:
                log.warning("init_image %s: %s", request.init_image.sha256, warning)

        await self.artifacts.check(picture, check_size)
        digest = request.init_image
        stored = await self.artifacts.is_there(digest.sha256)
        # Until a promotion has it, it may be swept; what is being swept now is waited for.
        for _ in range(_SWEPT_LOOKS):
            if await self.store.expect_picture(digest.sha256, stored=stored):
                return await self.artifacts.put(picture, digest)
            await asyncio.sleep(_SWEPT_LOOK_S)
        raise ServiceUnreachable("the artifact store is busy with this picture; try again")


def _check_role(promotion: Promotion, caller: Caller) -> None:
    approval = promotion.quote.approval
    if approval is None:
        raise not_waiting(promotion)
    roles = caller.roles_at(promotion.promotion.account.path)
    if approval.role not in roles:
        raise PolicyRefused(
            f"only somebody with role {approval.role} may decide about promotion "
            f"{bare(promotion.id)}; {caller.name} has {', '.join(sorted(roles)) or 'no role'} there"
        )


def _completed(fill: Fill, quote: Quote) -> PromotionRequest:
    """The request as it was quoted: what it leaves open is what the quote says."""
    quoted = quote.asked or quote.request
    request = fill(
        Defaults(
            width=quoted.width,
            height=quoted.height,
            num_inference_steps=quoted.num_inference_steps,
            guidance_scale=quoted.guidance_scale,
        )
    )
    return replace(request, engine=request.engine or quote.engine)
