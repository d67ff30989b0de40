"""Converts quotes, promotions and their events."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from underpaint.contract.errors import InvalidRequest
from underpaint.contract.fitting import result_size
from underpaint.contract.generation import GenerationRequest
from underpaint.contract.inputs import InputDigests
from underpaint.contract.promotion import (
    Account,
    Lineage,
    Promotion,
    PromotionEvent,
    PromotionRequest,
    PromotionState,
    Receipt,
    Withheld,
)
from underpaint.contract.strength import auto_strength
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
from underpaint.contract.wire.quotes import (
    PRIORITY_TO_WIRE,
    priority_from_wire,
    quote_from_wire,
    quote_to_wire,
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
WITHHELD_TO_WIRE: Final[dict[Withheld, orchestrator_pb2.Withheld]] = {
    Withheld.NO: orchestrator_pb2.WITHHELD_UNSPECIFIED,
    Withheld.FLAGGED: orchestrator_pb2.WITHHELD_FLAGGED,
    Withheld.UNUSABLE: orchestrator_pb2.WITHHELD_UNUSABLE,
}
_WITHHELD_FROM_WIRE: Final = {wire: own for own, wire in WITHHELD_TO_WIRE.items()}
_STATE_FROM_WIRE: Final = {wire: own for own, wire in STATE_TO_WIRE.items()}


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
        mask=digest_to_wire(promotion.mask) if promotion.mask else None,
        control=digest_to_wire(promotion.control) if promotion.control else None,
        control_kind=promotion.control_kind,
        references=map(digest_to_wire, promotion.references),
        auto_strength=promotion.auto_strength,
        prompt_moved=promotion.prompt_moved,
        draft_score=promotion.draft_score,
    )


def promotion_request_from_wire(
    wire: orchestrator_pb2.PromotionRequest, defaults: Defaults | None = None
) -> PromotionRequest:
    """Wire to domain; zeros of the generation take the defaults, if given.

    So does a strength that is left to the orchestrator.

    Raises:
        InvalidRequest: a field is out of range or missing.
    """
    draft = (wire.init_width, wire.init_height)
    if defaults and defaults.of_engine and all(draft):
        asked = (wire.request.width, wire.request.height)
        width, height = result_size(asked, draft, (defaults.width, defaults.height))
        defaults = replace(defaults, width=width, height=height)
    request = generation_from_wire(wire.request, defaults)
    if request.strength is None:
        request = _with_strength(request, wire, defaults)
    account, inputs = wire.account, input_digests_from_wire(wire)
    return PromotionRequest(
        request=request,
        init_image=inputs.init_image,
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
        mask=inputs.mask,
        control=inputs.control,
        control_kind=inputs.control_kind,
        references=inputs.references,
        auto_strength=wire.auto_strength,
        prompt_moved=wire.prompt_moved,
        draft_score=wire.draft_score if wire.HasField("draft_score") else None,
    )


def input_digests_from_wire(wire: orchestrator_pb2.PromotionRequest) -> InputDigests:
    """The digests of the pictures that a request takes."""
    return InputDigests(
        init_image=digest_from_wire(wire.init_image),
        mask=digest_from_wire(wire.mask) if wire.HasField("mask") else None,
        control=digest_from_wire(wire.control) if wire.HasField("control") else None,
        control_kind=wire.control_kind,
        references=tuple(map(digest_from_wire, wire.references)),
    )


def _with_strength(
    request: GenerationRequest,
    wire: orchestrator_pb2.PromotionRequest,
    defaults: Defaults | None,
) -> GenerationRequest:
    if not wire.auto_strength or defaults is None or defaults.strength is None:
        raise InvalidRequest("a promotion needs a strength, 0.01 to 1")
    if not defaults.of_engine:
        return replace(request, strength=defaults.strength)
    score = wire.draft_score if wire.HasField("draft_score") else None
    chosen, _ = auto_strength(defaults.strength, wire.prompt_moved, score)
    return replace(request, strength=chosen)


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
        mask_sha256=lineage.mask_sha256,
        control_sha256=lineage.control_sha256,
        control_kind=lineage.control_kind,
        reference_sha256s=lineage.reference_sha256s,
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
        mask_sha256=wire.mask_sha256,
        control_sha256=wire.control_sha256,
        control_kind=wire.control_kind,
        reference_sha256s=tuple(wire.reference_sha256s),
    )
