"""The use cases of an artist's money: quote, then promote."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from underpaint.contract import pictures
from underpaint.contract.errors import (
    InvalidRequest,
    PolicyRefused,
    PromotionNotFound,
    QuoteExpired,
)
from underpaint.contract.generation import GenerationRequest
from underpaint.contract.promotion import (
    Approval,
    Promotion,
    PromotionRequest,
    PromotionState,
    Quote,
)
from underpaint.contract.wire import Defaults
from underpaint.orchestrator import policy, pricing
from underpaint.orchestrator.approvals import Approvals, not_waiting
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.books import warnings
from underpaint.orchestrator.callers import Caller
from underpaint.orchestrator.ledger import Ledger, OpenQuote, expired, taken
from underpaint.orchestrator.names import check_account
from underpaint.orchestrator.policy import facts
from underpaint.orchestrator.policy.expressions import shown
from underpaint.orchestrator.records import content_of

MAX_BECAUSE: Final = 500  # characters
MAX_DRAFTS: Final = 10_000  # that one promotion may say it was chosen from
_MEDIA_TYPES: Final = ("image/png", "image/jpeg", "image/webp")

# A request as it was sent, completed with an engine's defaults.
Fill = Callable[[Defaults], PromotionRequest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What quoting and promoting need."""

    ledger: Ledger
    artifacts: Artifacts
    prices: pricing.PriceTable
    policies: policy.InForce
    approvals: Approvals
    healthy: Callable[[], Awaitable[Collection[str]]]  # engines that answer
    quote_lifetime_s: float
    reservation_s: float

    async def quote(self, asked_engine: str, fill: Fill, roles: Collection[str] = ()) -> Quote:
        """Prices a promotion at every engine that may take it and lets policy choose.

        Args:
            asked_engine: the one engine that may take it, or empty.
            fill: the request, with an engine's defaults where it said nothing.
            roles: of the caller.

        Raises:
            InvalidRequest: out of range, or an unknown engine.
            PolicyRefused, PrivacyViolation: a rule says no.
        """
        rules = self.policies.current  # this one to the end, whatever is loaded meanwhile
        engines = (asked_engine,) if asked_engine else rules.engines
        requests = {name: check(fill(self.prices.engine(name).defaults)) for name in engines}
        any_request = next(iter(requests.values()))
        limits = await self.ledger.limits(any_request.account.scopes)
        told = facts.of_roles(roles) | facts.of_limits(limits)
        if "engines.healthy" in rules.fields:
            told |= facts.of_engines(await self.healthy())
        if asked_engine:
            told["request.engine"] = asked_engine
        asked_at = datetime.now(UTC)
        decision = policy.decide(
            rules,
            facts.of_request(any_request, asked_engine, asked_at) | told,
            [
                policy.Candidate(name, request.request, bound_of(self.prices.engine(name)))
                for name, request in requests.items()
            ],
        )
        if decision.refusal or decision.request is None:
            raise decision.refusal or PolicyRefused("the policy came to no decision; report this")
        engine, made, approval = decision.engine, decision.request, decision.approval
        request = replace(requests[engine], engine=engine)
        lines = pricing.upper_bound(self.prices.engine(engine), made)
        most = pricing.total(lines)
        quote = Quote(
            id=f"q-{secrets.token_hex(8)}",
            engine=engine,
            max_usd_micros=most,
            price_table_version=self.prices.version,
            expires_at=datetime.now(UTC) + timedelta(seconds=self.quote_lifetime_s),
            verdicts=decision.verdicts,
            lines=lines,
            cloud_only_usd_micros=pricing.cloud_only(most, request.draft_count),
            request=made,
            asked=request.request if made != request.request else None,
            approval=Approval(role=approval.role, within_s=approval.within_s) if approval else None,
            policy_version=rules.version,
            facts={name: shown(fact) for name, fact in told.items()},
            warnings=warnings(limits, most),
            priority=request.priority,
        )
        open_quote = OpenQuote(
            quote=quote, price=self.prices.engine(engine), content=content_of(request)
        )
        await self.ledger.keep_quote(open_quote, self.quote_lifetime_s)
        return quote

    async def promote(
        self, promotion_id: str, quote_id: str, fill: Fill, picture: bytes
    ) -> Promotion:
        """Reserves the quote and enqueues the polish, once for each promotion id.

        Args:
            promotion_id: chosen by the client.
            quote_id: of a quote for the same request.
            fill: the request, with the quote's values where it said nothing.
            picture: init_image, whole, its bytes already checked against their digest.

        Raises:
            InvalidRequest: the picture is none, or has another size than was quoted.
            PromotionConflict, QuoteExpired, BudgetExceeded: see `Ledger.promote`.
        """
        try:
            before = await self.ledger.get(promotion_id)
        except PromotionNotFound:
            before = None
        if before:
            return self._again(before, fill)
        open_quote = await self.ledger.find_quote(quote_id) if quote_id else None
        if open_quote is None:
            raise expired(quote_id)
        request = check(_completed(fill, open_quote.quote))
        content = content_of(request)
        if content != open_quote.content:
            raise QuoteExpired(f"quote {quote_id} is for other content; ask for a new one")
        await self._keep_picture(request, picture)
        approval = open_quote.quote.approval
        if approval:
            return await self.approvals.wait(promotion_id, content, request, open_quote, approval)
        return await self.ledger.promote(
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
            BudgetExceeded, LedgerFrozen: see `Ledger.promote`; it goes on waiting.
        """
        waiting = await self.ledger.get(promotion_id)
        _check_role(waiting, caller)
        open_quote = await self.ledger.find_quote(waiting.quote.id)
        if waiting.state is PromotionState.WAITING and open_quote:
            waiting = await self.ledger.promote(
                promotion_id,
                content_of(waiting.promotion),
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
        _check_role(await self.ledger.get(promotion_id), caller)
        reason = f"denied by {caller.name}: {because}"
        await self.approvals.end(promotion_id, reason)
        denied = await self.ledger.get(promotion_id)
        if denied.reason != reason:  # it was decided otherwise before
            raise not_waiting(denied)
        return denied

    async def cancel(self, promotion_id: str) -> Promotion:
        """See `Ledger.cancel`; what waits for an approval is released, too."""
        if await self.approvals.end(promotion_id, "cancelled"):
            return await self.ledger.get(promotion_id)
        return await self.ledger.cancel(promotion_id)

    def _again(self, before: Promotion, fill: Fill) -> Promotion:
        """What is stored, if it is the same; its quote and budget no longer matter."""
        request = check(_completed(fill, before.quote))
        if content_of(request) != content_of(before.promotion):
            raise taken(before.id)
        return before

    async def _keep_picture(self, request: PromotionRequest, picture: bytes) -> None:
        """Stores init_image before the promise is given, so that the promise can be kept."""

        def check_size(data: bytes) -> None:
            image = pictures.decode(data)
            if image.size != (request.init_width, request.init_height):
                raise InvalidRequest(
                    f"init_image is {image.width} x {image.height}, not {request.init_width} x "
                    f"{request.init_height} as was said; quote it again"
                )

        await self.artifacts.put(picture, request.init_image, check_size)


def _check_role(promotion: Promotion, caller: Caller) -> None:
    approval = promotion.quote.approval
    if approval is None:
        raise not_waiting(promotion)
    if approval.role not in caller.roles:
        raise PolicyRefused(
            f"only somebody with role {approval.role} may decide about promotion {promotion.id}; "
            f"{caller.name or 'this caller'} has {', '.join(sorted(caller.roles)) or 'no role'}"
        )


def bound_of(price: pricing.EnginePrice) -> Callable[[GenerationRequest], int]:
    """What a request costs at most by a price, in micro-dollars."""
    return lambda request: pricing.total(pricing.upper_bound(price, request))


def check(request: PromotionRequest) -> PromotionRequest:
    """The same request.

    Raises:
        InvalidRequest: its draft, account or count of drafts does not do.
    """
    check_account(request.account)
    draft = request.init_image
    if not 0 < draft.size <= pictures.MAX_BYTES:
        raise InvalidRequest(
            f"init_image has {draft.size:,} bytes; send a picture of 1 to {pictures.MAX_BYTES:,}"
        )
    if draft.media_type not in _MEDIA_TYPES:
        raise InvalidRequest(
            f"init_image is {draft.media_type[:40]!r}; send one of {', '.join(_MEDIA_TYPES)}"
        )
    width, height = request.init_width, request.init_height
    if not width or not height or width * height > pictures.MAX_PIXELS:
        raise InvalidRequest(
            f"init_image is said to be {width} x {height}; give its size, at most "
            f"{pictures.MAX_PIXELS:,} pixels"
        )
    if request.draft_count > MAX_DRAFTS:
        raise InvalidRequest(f"draft_count {request.draft_count} is above {MAX_DRAFTS}")
    for name in ("draft_id", "draft_model"):
        if len(getattr(request, name)) > 200:
            raise InvalidRequest(f"{name} has more than 200 characters")
    return request


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
