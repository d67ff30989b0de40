"""Converts quotes, promotions and their events."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from underpaint.contract.errors import InvalidRequest
from underpaint.contract.fitting import result_size
from underpaint.contract.promotion import (
    Account,
    Approval,
    Lineage,
    Priority,
    Promotion,
    PromotionEvent,
    PromotionRequest,
    PromotionState,
    Quote,
    QuoteLine,
    Receipt,
    RuleVerdict,
    Withheld,
)
from underpaint.contract.wire.drafts import PRIVACY_TO_WIRE, privacy_from_wire
from underpaint.contract.wire.generation import (
    Defaults,
    digest_from_wire,
    digest_to_wire,
    generation_from_wire,
    generation_to_wire,
    time_from_wire,
    time_to_wire,
)
from underpaint.v1 import orchestrator_pb2

STATE_TO_WIRE: Final[dict[PromotionState, orchestrator_pb2.PromotionState]] = {
    PromotionState.WAITING: orchestrator_pb2.PROMOTION_STATE_WAITING,
    PromotionState.RESERVED: orchestrator_pb2.PROMOTION_STATE_RESERVED,
    PromotionState.RUNNING: orchestrator_pb2.PROMOTION_STATE_RUNNING,
    PromotionState.SETTLED: orchestrator_pb2.PROMOTION_STATE_SETTLED,
    PromotionState.RELEASED: orchestrator_pb2.PROMOTION_STATE_RELEASED,
    PromotionState.EXPIRED: orchestrator_pb2.PROMOTION_STATE_EXPIRED,
    PromotionState.UNKNOWN: orchestrator_pb2.PROMOTION_STATE_UNSPECIFIED,
}
PRIORITY_TO_WIRE: Final[dict[Priority, orchestrator_pb2.Priority]] = {
    Priority.INTERACTIVE: orchestrator_pb2.PRIORITY_INTERACTIVE,
    Priority.BATCH: orchestrator_pb2.PRIORITY_BATCH,
}
WITHHELD_TO_WIRE: Final[dict[Withheld, orchestrator_pb2.Withheld]] = {
    Withheld.NO: orchestrator_pb2.WITHHELD_UNSPECIFIED,
    Withheld.FLAGGED: orchestrator_pb2.WITHHELD_FLAGGED,
    Withheld.UNUSABLE: orchestrator_pb2.WITHHELD_UNUSABLE,
}
_WITHHELD_FROM_WIRE: Final = {wire: own for own, wire in WITHHELD_TO_WIRE.items()}
_STATE_FROM_WIRE: Final = {wire: own for own, wire in STATE_TO_WIRE.items()}
_PRIORITY_FROM_WIRE: Final = {wire: own for own, wire in PRIORITY_TO_WIRE.items()}


def promotion_request_to_wire(promotion: PromotionRequest) -> orchestrator_pb2.PromotionRequest:
    """Domain to wire."""
    account = promotion.account
    return orchestrator_pb2.PromotionRequest(
        request=generation_to_wire(promotion.request),
        init_image=digest_to_wire(promotion.init_image),
        init_width=promotion.init_width,
        init_height=promotion.init_height,
        privacy=PRIVACY_TO_WIRE[promotion.privacy],
        account=orchestrator_pb2.Account(
            organisation=account.organisation,
            team=account.team,
            project=account.project,
            user=account.user,
        ),
        engine=promotion.engine,
        draft_id=promotion.draft_id,
        draft_model=promotion.draft_model,
        draft_seed=promotion.draft_seed,
        draft_count=promotion.draft_count,
        priority=PRIORITY_TO_WIRE[promotion.priority],
        retry_of=promotion.retry_of,
    )


def promotion_request_from_wire(
    wire: orchestrator_pb2.PromotionRequest, defaults: Defaults | None = None
) -> PromotionRequest:
    """Wire to domain; zeros of the generation take the defaults, if given.

    Raises:
        InvalidRequest: a field is out of range or missing.
    """
    draft = (wire.init_width, wire.init_height)
    if defaults and defaults.shaped_by_draft and all(draft):
        asked = (wire.request.width, wire.request.height)
        width, height = result_size(asked, draft, (defaults.width, defaults.height))
        defaults = replace(defaults, width=width, height=height)
    request = generation_from_wire(wire.request, defaults)
    if request.strength is None:
        raise InvalidRequest("a promotion needs a strength, 0.01 to 1")
    account = wire.account
    return PromotionRequest(
        request=request,
        init_image=digest_from_wire(wire.init_image),
        init_width=wire.init_width,
        init_height=wire.init_height,
        privacy=privacy_from_wire(wire.privacy),
        account=Account(
            organisation=account.organisation or "default",
            team=account.team or "default",
            project=account.project or "default",
            user=account.user or "default",
        ),
        engine=wire.engine,
        draft_id=wire.draft_id,
        draft_model=wire.draft_model,
        draft_seed=wire.draft_seed,
        draft_count=max(1, wire.draft_count),
        priority=priority_from_wire(wire.priority),
        retry_of=wire.retry_of,
    )


def priority_from_wire(wire: orchestrator_pb2.Priority) -> Priority:
    """Interactive if it is not specified."""
    return _PRIORITY_FROM_WIRE.get(wire, Priority.INTERACTIVE)


def verdict_to_wire(verdict: RuleVerdict) -> orchestrator_pb2.RuleVerdict:
    """Domain to wire."""
    return orchestrator_pb2.RuleVerdict(
        rule=verdict.rule,
        matched=verdict.matched,
        decided=verdict.decided,
        reason=verdict.reason,
        saw=verdict.saw,
    )


def verdict_from_wire(wire: orchestrator_pb2.RuleVerdict) -> RuleVerdict:
    """Wire to domain."""
    return RuleVerdict(
        rule=wire.rule,
        matched=wire.matched,
        decided=wire.decided,
        reason=wire.reason,
        saw=dict(wire.saw),
    )


def quote_to_wire(quote: Quote) -> orchestrator_pb2.Quote:
    """Domain to wire."""
    approval = quote.approval
    return orchestrator_pb2.Quote(
        id=quote.id,
        engine=quote.engine,
        max_usd_micros=quote.max_usd_micros,
        price_table_version=quote.price_table_version,
        expires_at=time_to_wire(quote.expires_at),
        verdicts=[verdict_to_wire(each) for each in quote.verdicts],
        lines=[
            orchestrator_pb2.QuoteLine(what=line.what, usd_micros=line.usd_micros)
            for line in quote.lines
        ],
        cloud_only_usd_micros=quote.cloud_only_usd_micros,
        request=generation_to_wire(quote.request),
        asked=generation_to_wire(quote.asked) if quote.asked else None,
        approval=orchestrator_pb2.Approval(role=approval.role, within_s=approval.within_s)
        if approval
        else None,
        policy_version=quote.policy_version,
        facts=quote.facts,
        warnings=quote.warnings,
        priority=PRIORITY_TO_WIRE[quote.priority],
        charges_flagged=quote.charges_flagged,
    )


def quote_from_wire(wire: orchestrator_pb2.Quote) -> Quote:
    """Wire to domain."""
    return Quote(
        id=wire.id,
        engine=wire.engine,
        max_usd_micros=wire.max_usd_micros,
        price_table_version=wire.price_table_version,
        expires_at=time_from_wire(wire.expires_at),
        verdicts=tuple(map(verdict_from_wire, wire.verdicts)),
        lines=tuple(QuoteLine(what=line.what, usd_micros=line.usd_micros) for line in wire.lines),
        cloud_only_usd_micros=wire.cloud_only_usd_micros,
        request=generation_from_wire(wire.request),
        asked=generation_from_wire(wire.asked) if wire.HasField("asked") else None,
        approval=Approval(role=wire.approval.role, within_s=wire.approval.within_s)
        if wire.HasField("approval")
        else None,
        policy_version=wire.policy_version,
        facts=dict(wire.facts),
        warnings=tuple(wire.warnings),
        priority=priority_from_wire(wire.priority),
        charges_flagged=wire.charges_flagged,
    )


def promotion_to_wire(promotion: Promotion) -> orchestrator_pb2.Promotion:
    """Domain to wire."""
    wire = orchestrator_pb2.Promotion(
        id=promotion.id,
        state=STATE_TO_WIRE[promotion.state],
        promotion=promotion_request_to_wire(promotion.promotion),
        quote=quote_to_wire(promotion.quote),
        created_at=time_to_wire(promotion.created_at),
        updated_at=time_to_wire(promotion.updated_at),
        attempts=promotion.attempts,
        reason=promotion.reason,
        approved_by=promotion.approved_by,
        dead=promotion.dead,
        retried_as=promotion.retried_as,
        withheld=WITHHELD_TO_WIRE[promotion.withheld],
        warnings=promotion.warnings,
    )
    if promotion.artifact:
        wire.artifact.CopyFrom(digest_to_wire(promotion.artifact))
    if promotion.lineage:
        wire.lineage.CopyFrom(_lineage_to_wire(promotion.lineage))
    if promotion.receipt:
        receipt = promotion.receipt
        wire.receipt.CopyFrom(
            orchestrator_pb2.Receipt(
                quoted_usd_micros=receipt.quoted_usd_micros,
                charged_usd_micros=receipt.charged_usd_micros,
                cloud_only_usd_micros=receipt.cloud_only_usd_micros,
                price_table_version=receipt.price_table_version,
                gpu_seconds=receipt.gpu_seconds,
                settled_at=time_to_wire(receipt.settled_at),
            )
        )
    return wire


def promotion_from_wire(wire: orchestrator_pb2.Promotion) -> Promotion:
    """Wire to domain."""
    receipt = wire.receipt
    return Promotion(
        id=wire.id,
        state=_STATE_FROM_WIRE.get(wire.state, PromotionState.UNKNOWN),
        promotion=promotion_request_from_wire(wire.promotion),
        quote=quote_from_wire(wire.quote),
        created_at=time_from_wire(wire.created_at),
        updated_at=time_from_wire(wire.updated_at),
        attempts=wire.attempts,
        reason=wire.reason,
        approved_by=wire.approved_by,
        dead=wire.dead,
        retried_as=wire.retried_as,
        withheld=_WITHHELD_FROM_WIRE.get(wire.withheld, Withheld.UNUSABLE),
        artifact=digest_from_wire(wire.artifact) if wire.HasField("artifact") else None,
        lineage=_lineage_from_wire(wire.lineage) if wire.HasField("lineage") else None,
        receipt=Receipt(
            quoted_usd_micros=receipt.quoted_usd_micros,
            charged_usd_micros=receipt.charged_usd_micros,
            cloud_only_usd_micros=receipt.cloud_only_usd_micros,
            price_table_version=receipt.price_table_version,
            gpu_seconds=receipt.gpu_seconds,
            settled_at=time_from_wire(receipt.settled_at),
        )
        if wire.HasField("receipt")
        else None,
        warnings=tuple(wire.warnings),
    )


def event_to_wire(event: PromotionEvent) -> orchestrator_pb2.PromotionEvent:
    """Domain to wire."""
    return orchestrator_pb2.PromotionEvent(
        id=event.id,
        at=time_to_wire(event.at),
        state=STATE_TO_WIRE[event.state],
        step=event.step,
        steps=event.steps,
        preview=event.preview,
        message=event.message,
    )


def event_from_wire(wire: orchestrator_pb2.PromotionEvent) -> PromotionEvent:
    """Wire to domain."""
    return PromotionEvent(
        id=wire.id,
        at=time_from_wire(wire.at),
        state=_STATE_FROM_WIRE.get(wire.state, PromotionState.UNKNOWN),
        step=wire.step,
        steps=wire.steps,
        preview=wire.preview,
        message=wire.message,
    )


def _lineage_to_wire(lineage: Lineage) -> orchestrator_pb2.Lineage:
    return orchestrator_pb2.Lineage(
        draft_sha256=lineage.draft_sha256,
        draft_id=lineage.draft_id,
        draft_model=lineage.draft_model,
        draft_seed=lineage.draft_seed,
        engine=lineage.engine,
        model=lineage.model,
        upscaler=lineage.upscaler,
        request=generation_to_wire(lineage.request),
    )


def _lineage_from_wire(wire: orchestrator_pb2.Lineage) -> Lineage:
    return Lineage(
        draft_sha256=wire.draft_sha256,
        draft_id=wire.draft_id,
        draft_model=wire.draft_model,
        draft_seed=wire.draft_seed,
        engine=wire.engine,
        model=wire.model,
        upscaler=wire.upscaler,
        request=generation_from_wire(wire.request),
    )
