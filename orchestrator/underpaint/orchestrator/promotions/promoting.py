"""The use cases of a promotion: promote exactly once, approve, deny and cancel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from underpaint.contract.errors import (
    InvalidRequest,
    PolicyRefused,
    PromotionNotFound,
    QuoteExpired,
    ServiceUnreachable,
)
from underpaint.contract.generation import Inputs
from underpaint.contract.inputs import check_inputs, check_reference
from underpaint.contract.pictures import Digest
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
    """Promotes, approves, denies and cancels."""

    store: PromotionStore
    artifacts: Artifacts
    approvals: Approvals
    reservation_s: float

    async def promote(
        self, promotion_id: str, quote_id: str, fill: Fill, inputs: Inputs, caller: Caller
    ) -> Promotion:
        """Reserves the quoted money and enqueues the work, once for each promotion id.

        Args:
            promotion_id: "organisation/id"; the client chose the id.
            quote_id: a quote for the same request and caller.
            fill: makes the request; values that the client left out are taken from the quote.
            inputs: the pictures, already checked against their digests.
            caller: must be the one who asked for the quote.

        Raises:
            InvalidRequest: a picture cannot be read, or is not of the size that was quoted.
            ServiceUnreachable: the artifact store cannot take the pictures now.
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
        await self._keep_pictures(request, open_quote.quote, inputs)
        approval = open_quote.quote.approval
        if approval:
            return await self.approvals.wait(promotion_id, content, request, open_quote, approval)
        return await self.store.promote(
            promotion_id, content, request, open_quote, self.reservation_s
        )

    async def approve(self, promotion_id: str, caller: Caller) -> Promotion:
        """Approves a waiting promotion: reserves the quoted money and enqueues the work.

        The price is as quoted. Approving again changes nothing and returns what is stored.

        Raises:
            PromotionNotFound: no such promotion.
            PolicyRefused: the caller lacks the role that the policy asks for.
            NotWaiting: it was denied or cancelled, its time is over, or it needs no approval.
            BudgetExceeded, LedgerFrozen: see `PromotionStore.promote`. The promotion stays
                waiting.
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
        """Denies a waiting promotion, which ends it. The same denial again changes nothing.

        Raises:
            InvalidRequest: the reason is empty or too long.
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
        """As `PromotionStore.cancel`; also ends a promotion that waits for an approval."""
        if await self.approvals.end(promotion_id, "cancelled"):
            return await self.store.get(promotion_id)
        return await self.store.cancel(promotion_id)

    def _again(self, before: Promotion, fill: Fill) -> Promotion:
        """The stored promotion, if the request is the same. Quote and budget are not checked."""
        request = check(_completed(fill, before.quote))
        if content_of(request) != content_of(before.promotion):
            raise taken(before.id)
        return before

    async def _keep_pictures(self, request: PromotionRequest, quote: Quote, inputs: Inputs) -> None:
        """Stores the pictures before the promotion is acknowledged, so that none can be missing."""
        result = (quote.request.width, quote.request.height)

        def check_sizes(_: bytes) -> None:
            seen = check_inputs(replace(inputs, references=()), result)
            width, height = seen.init_image.size
            if (width, height) != (request.init_width, request.init_height):
                raise InvalidRequest(
                    f"init_image is {width} x {height}, not {request.init_width} x "
                    f"{request.init_height} as was said; quote it again"
                )
            # One at a time: decoded, a picture takes several times the memory of its file.
            more = [
                warning
                for number, each in enumerate(inputs.references, 1)
                for warning in check_reference(number, each)
            ]
            for warning in (*seen.warnings, *more):
                log.warning("promotion of draft %s: %s", request.init_image.sha256, warning)

        check: Callable[[bytes], None] = check_sizes
        for picture, digest in zip(inputs.pictures, request.inputs.every, strict=True):
            stored = await self.artifacts.examine(picture, digest, check)
            await self._keep_picture(picture, digest, stored=stored)
            check = _checked

    async def _keep_picture(self, picture: bytes, digest: Digest, *, stored: bool) -> None:
        # The sweeper may be removing this very picture: wait until it has, then store it again.
        for _ in range(_SWEPT_LOOKS):
            if await self.store.expect_picture(digest.sha256, stored=stored):
                return await self.artifacts.put(picture, digest)
            await asyncio.sleep(_SWEPT_LOOK_S)
        raise ServiceUnreachable("the artifact store is busy with this picture; try again")


def _checked(_: bytes) -> None:
    """Nothing more to check: all pictures are checked together with the first."""


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
    """The request as it was quoted: values that it leaves out are taken from the quote."""
    quoted = quote.asked or quote.request
    request = fill(
        Defaults(
            width=quoted.width,
            height=quoted.height,
            num_inference_steps=quoted.num_inference_steps,
            guidance_scale=quoted.guidance_scale,
            strength=quoted.strength,
        )
    )
    return replace(request, engine=request.engine or quote.engine)
