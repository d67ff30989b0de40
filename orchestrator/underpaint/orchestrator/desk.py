"""The use cases of an artist's money: quote, then promote."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from underpaint.contract import pictures
from underpaint.contract.errors import InvalidRequest, PromotionNotFound, QuoteExpired
from underpaint.contract.promotion import Promotion, PromotionRequest, Quote
from underpaint.contract.wire import Defaults
from underpaint.orchestrator import policy, pricing
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.books import warnings
from underpaint.orchestrator.ledger import Ledger, OpenQuote, expired, taken
from underpaint.orchestrator.names import check_account
from underpaint.orchestrator.records import content_of

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
    rules: policy.Policy
    quote_lifetime_s: float
    reservation_s: float

    async def quote(self, asked_engine: str, fill: Fill) -> Quote:
        """Prices a promotion at every engine that may take it and lets policy choose.

        Args:
            asked_engine: the one engine that may take it, or empty.
            fill: the request, with an engine's defaults where it said nothing.

        Raises:
            InvalidRequest: out of range, or an unknown engine.
            PolicyRefused, PrivacyViolation: a rule says no.
        """
        engines = (asked_engine,) if asked_engine else self.rules.engines
        requests = {name: check(fill(self.prices.engine(name).defaults)) for name in engines}
        bounds = {
            name: pricing.upper_bound(self.prices.engine(name), request.request)
            for name, request in requests.items()
        }
        decision = policy.decide(
            self.rules,
            [
                policy.Candidate(
                    engine=name,
                    privacy=request.privacy,
                    max_usd_micros=pricing.total(bounds[name]),
                    width=request.request.width,
                    height=request.request.height,
                )
                for name, request in requests.items()
            ],
        )
        if decision.refusal:
            raise decision.refusal
        engine = decision.engine
        request = replace(requests[engine], engine=engine)
        most = pricing.total(bounds[engine])
        quote = Quote(
            id=f"q-{secrets.token_hex(8)}",
            engine=engine,
            max_usd_micros=most,
            price_table_version=self.prices.version,
            expires_at=datetime.now(UTC) + timedelta(seconds=self.quote_lifetime_s),
            verdicts=decision.verdicts,
            lines=bounds[engine],
            cloud_only_usd_micros=pricing.cloud_only(most, request.draft_count),
            request=request.request,
            warnings=warnings(await self.ledger.limits(request.account.scopes), most),
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
        return await self.ledger.promote(
            promotion_id, content, request, open_quote, self.reservation_s
        )

    def _again(self, before: Promotion, fill: Fill) -> Promotion:
        """What is stored, if it is the same; its quote and budget no longer matter."""
        request = check(_completed(fill, before.quote))
        if content_of(request) != content_of(before.promotion):
            raise taken(before.id)
        return before

    async def _keep_picture(self, request: PromotionRequest, picture: bytes) -> None:
        """Stores init_image before the promise is given, so that the promise can be kept."""
        image = await asyncio.to_thread(pictures.decode, picture)
        if image.size != (request.init_width, request.init_height):
            raise InvalidRequest(
                f"init_image is {image.width} x {image.height}, not {request.init_width} x "
                f"{request.init_height} as was said; quote it again"
            )
        await self.artifacts.put(picture, request.init_image)


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
    quoted = quote.request
    request = fill(
        Defaults(
            width=quoted.width,
            height=quoted.height,
            num_inference_steps=quoted.num_inference_steps,
            guidance_scale=quoted.guidance_scale,
        )
    )
    return replace(request, engine=request.engine or quote.engine)
