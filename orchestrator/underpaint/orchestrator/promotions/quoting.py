"""The use case of a quote: what a promotion costs at most, told before any money is spent."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import TypeAdapter
from underpaint.contract import pictures
from underpaint.contract.engines import EngineDescription
from underpaint.contract.errors import InvalidRequest, PolicyRefused
from underpaint.contract.fitting import explain_fit
from underpaint.contract.generation import GenerationRequest, check_asked
from underpaint.contract.inputs import check_announced
from underpaint.contract.promotion import Approval, PromotionRequest, Quote
from underpaint.contract.strength import ENGINE_STRENGTH, auto_strength
from underpaint.contract.wire import Defaults
from underpaint.orchestrator import policy, pricing
from underpaint.orchestrator.callers import Caller
from underpaint.orchestrator.ledger.store import warnings
from underpaint.orchestrator.names import check_account
from underpaint.orchestrator.policy import facts
from underpaint.orchestrator.policy.expressions import shown
from underpaint.orchestrator.promotions.store import OpenQuote, PromotionStore
from underpaint.orchestrator.promotions.taking import check_taken

MAX_DRAFTS: Final = 10_000  # how many drafts a promotion may say it was chosen from
CHARGES_FLAGGED: Final = (
    "if a safety checker flags the picture, it is not delivered, but the engine's time is charged"
)
_REQUEST: Final = TypeAdapter(PromotionRequest)

# Makes a whole request from what the client sent and an engine's defaults.
Fill = Callable[[Defaults], PromotionRequest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoting:
    """Prices promotions."""

    store: PromotionStore
    prices: pricing.PriceTable
    policies: policy.InForce
    healthy: Callable[[], Awaitable[Collection[str]]]  # engines that answer
    # What engines last said of themselves, by name; one that never answered is missing.
    described: Callable[[], Awaitable[Mapping[str, EngineDescription]]]
    quote_lifetime_s: float

    async def quote(self, asked_engine: str, fill: Fill, caller: Caller) -> Quote:
        """Prices a promotion at every possible engine and lets the policy choose one.

        Args:
            asked_engine: the engine that the client asked for; "" for any.
            fill: makes the request with an engine's defaults.
            caller: who asks; nobody else may promote by this quote.

        Raises:
            InvalidRequest: a value is out of range, the engine is unknown or does not take what
                is asked, or the draft has another shape and the request says to refuse that.
            PolicyRefused, PrivacyViolation: a rule of the policy forbids it.
        """
        rules = (
            self.policies.current
        )  # a policy that is loaded meanwhile does not change this quote
        engines = (asked_engine,) if asked_engine else rules.engines
        described = await self.described()
        requests = {
            name: check(fill(self._defaults(name, described.get(name)))) for name in engines
        }
        any_request = next(iter(requests.values()))
        limits = await self.store.limits(any_request.account.scopes)
        roles = caller.roles_at(any_request.account.path)
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
                policy.Candidate(name, request.request, pricing.bound_of(self.prices.engine(name)))
                for name, request in requests.items()
            ],
        )
        if decision.refusal or decision.request is None:
            raise decision.refusal or PolicyRefused("the policy came to no decision; report this")
        engine, made, approval = decision.engine, decision.request, decision.approval
        request = replace(requests[engine], engine=engine)
        left_out: tuple[str, ...] = ()
        if description := described.get(engine):
            left_out = check_taken(description, request)
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
            warnings=(
                *warnings(limits, most),
                *_told_fit(request, made),
                *left_out,
                *((CHARGES_FLAGGED,) if decision.charges_flagged else ()),
            ),
            strength_reason=_why(request, self._strength(described.get(engine))),
            priority=request.priority,
            charges_flagged=decision.charges_flagged,
        )
        open_quote = OpenQuote(
            quote=quote,
            price=self.prices.engine(engine),
            content=content_of(request),
            caller=caller.identity,
            party=caller.party,
        )
        await self.store.keep_quote(open_quote, self.quote_lifetime_s)
        return quote

    def _defaults(self, engine: str, description: EngineDescription | None) -> Defaults:
        """The model's own steps and guidance, if the engine said them; the size that is sold."""
        defaults = self.prices.engine(engine).defaults
        if description and description.num_inference_steps:
            defaults = replace(
                defaults,
                num_inference_steps=description.num_inference_steps,
                guidance_scale=description.guidance_scale,
            )
        return replace(defaults, strength=self._strength(description))

    def _strength(self, description: EngineDescription | None) -> float:
        """The engine's own strength, if it says one."""
        return (description.strength if description else 0.0) or ENGINE_STRENGTH


def check(request: PromotionRequest) -> PromotionRequest:
    """Returns the request if its values are allowed.

    Raises:
        InvalidRequest: its draft, account, draft count or generation values are not allowed.
    """
    check_account(request.account)
    check_asked(request.request)
    check_announced(request.inputs)
    score = request.draft_score
    # Written as "not a <= x <= b" so that NaN is refused, too.
    if not 0 <= request.prompt_moved <= 1 or not (score is None or 0 <= score <= 1):
        raise InvalidRequest("prompt_moved and draft_score are out of range; use 0 to 1")
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


def _why(request: PromotionRequest, engine_strength: float) -> str:
    """Where a strength comes from that the artist left open; empty if it was given."""
    if not request.auto_strength:
        return ""
    chosen, why = auto_strength(engine_strength, request.prompt_moved, request.draft_score)
    return why if chosen == request.request.strength else ""


def _told_fit(request: PromotionRequest, made: GenerationRequest) -> tuple[str, ...]:
    """Says how the draft is fitted, if its shape differs from that of the finished picture.

    Raises:
        InvalidRequest: the request says to refuse another shape.
    """
    draft = (request.init_width, request.init_height)
    told = explain_fit(draft, (made.width, made.height), made.fit)
    return (told,) if told else ()


def content_of(request: PromotionRequest) -> str:
    """A digest that is the same for two requests with the same content.

    Only fields that differ from their defaults count, by name. So a field that a later version
    adds changes no digest until somebody sets it, and two versions can run side by side.
    """
    told = _REQUEST.dump_python(request, mode="json", exclude_defaults=True)
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
