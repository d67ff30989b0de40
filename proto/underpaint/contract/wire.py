"""Protobuf messages to domain values and back: the only place that knows both."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from underpaint.contract.accounting import (
    KINDS,
    Budget,
    Kind,
    LedgerEntry,
    Period,
    SpendLine,
    Verification,
)
from underpaint.contract.drafts import Draft, Privacy
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.generation import GenerationRequest, Progress
from underpaint.contract.pictures import Digest
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
)
from underpaint.v1 import cloud_pb2, common_pb2, edge_pb2, orchestrator_pb2

PRIVACY_TO_WIRE: Final[dict[Privacy, common_pb2.Privacy]] = {
    Privacy.DEVICE: common_pb2.PRIVACY_DEVICE,
    Privacy.STRUCTURE: common_pb2.PRIVACY_STRUCTURE,
    Privacy.FULL: common_pb2.PRIVACY_FULL,
}
STATE_TO_WIRE: Final[dict[PromotionState, orchestrator_pb2.PromotionState]] = {
    PromotionState.WAITING: orchestrator_pb2.PROMOTION_STATE_WAITING,
    PromotionState.RESERVED: orchestrator_pb2.PROMOTION_STATE_RESERVED,
    PromotionState.RUNNING: orchestrator_pb2.PROMOTION_STATE_RUNNING,
    PromotionState.SETTLED: orchestrator_pb2.PROMOTION_STATE_SETTLED,
    PromotionState.RELEASED: orchestrator_pb2.PROMOTION_STATE_RELEASED,
    PromotionState.EXPIRED: orchestrator_pb2.PROMOTION_STATE_EXPIRED,
}
PRIORITY_TO_WIRE: Final[dict[Priority, orchestrator_pb2.Priority]] = {
    Priority.INTERACTIVE: orchestrator_pb2.PRIORITY_INTERACTIVE,
    Priority.BATCH: orchestrator_pb2.PRIORITY_BATCH,
}
PERIOD_TO_WIRE: Final[dict[Period, orchestrator_pb2.BudgetPeriod]] = {
    Period.DAY: orchestrator_pb2.BUDGET_PERIOD_DAY,
    Period.MONTH: orchestrator_pb2.BUDGET_PERIOD_MONTH,
    Period.CAMPAIGN: orchestrator_pb2.BUDGET_PERIOD_CAMPAIGN,
}
_PRIVACY_FROM_WIRE: Final = {wire: own for own, wire in PRIVACY_TO_WIRE.items()}
_PRIORITY_FROM_WIRE: Final = {wire: own for own, wire in PRIORITY_TO_WIRE.items()}
_STATE_FROM_WIRE: Final = {wire: own for own, wire in STATE_TO_WIRE.items()}
_KIND_FROM_WIRE: Final[dict[str, Kind]] = {kind: kind for kind in KINDS}
_PERIOD_FROM_WIRE: Final = {wire: own for own, wire in PERIOD_TO_WIRE.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What stands in for a zero on the wire."""

    width: int
    height: int
    num_inference_steps: int
    guidance_scale: float


def privacy_from_wire(wire: common_pb2.Privacy) -> Privacy:
    """Raises InvalidRequest if it is unspecified: privacy is never guessed."""
    if wire not in _PRIVACY_FROM_WIRE:
        raise InvalidRequest("privacy is not specified; use device, structure or full")
    return _PRIVACY_FROM_WIRE[wire]


def digest_to_wire(digest: Digest) -> common_pb2.Digest:
    """Domain to wire."""
    return common_pb2.Digest(sha256=digest.sha256, size=digest.size, media_type=digest.media_type)


def digest_from_wire(wire: common_pb2.Digest) -> Digest:
    """Raises InvalidRequest if the SHA-256 is not 64 lower-case hexadecimal digits."""
    if len(wire.sha256) != 64 or set(wire.sha256) - set("0123456789abcdef"):
        raise InvalidRequest(f"{wire.sha256!r} is no SHA-256; send 64 lower-case hex digits")
    return Digest(sha256=wire.sha256, size=wire.size, media_type=wire.media_type)


def generation_to_wire(request: GenerationRequest) -> common_pb2.GenerationRequest:
    """Domain to wire."""
    return common_pb2.GenerationRequest(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        seed=request.seed,
        width=request.width,
        height=request.height,
        num_inference_steps=request.num_inference_steps,
        guidance_scale=request.guidance_scale,
        strength=request.strength,
    )


def generation_from_wire(
    wire: common_pb2.GenerationRequest, defaults: Defaults | None = None
) -> GenerationRequest:
    """Wire to domain; zeros take the defaults, if given.

    Raises:
        InvalidRequest: a field is out of range.
    """
    return GenerationRequest(
        prompt=wire.prompt,
        negative_prompt=wire.negative_prompt,
        seed=wire.seed,
        width=wire.width or (defaults.width if defaults else 0),
        height=wire.height or (defaults.height if defaults else 0),
        num_inference_steps=wire.num_inference_steps
        or (defaults.num_inference_steps if defaults else 0),
        guidance_scale=wire.guidance_scale or (defaults.guidance_scale if defaults else 0.0),
        strength=wire.strength if wire.HasField("strength") else None,
    )


def progress_to_wire(progress: Progress) -> cloud_pb2.Progress:
    """Domain to wire."""
    return cloud_pb2.Progress(
        step=progress.step, steps=progress.steps, stage=progress.stage, preview=progress.preview
    )


def progress_from_wire(wire: cloud_pb2.Progress) -> Progress:
    """Wire to domain."""
    return Progress(step=wire.step, steps=wire.steps, stage=wire.stage, preview=wire.preview)


def draft_to_wire(draft: Draft) -> edge_pb2.Draft:
    """Domain to wire."""
    return edge_pb2.Draft(
        id=draft.id,
        digest=digest_to_wire(draft.digest),
        request=generation_to_wire(draft.request),
        privacy=PRIVACY_TO_WIRE[draft.privacy],
        model=draft.model,
        elapsed_ms=draft.elapsed_ms,
        created_at=time_to_wire(draft.created_at),
        warnings=draft.warnings,
    )


def draft_from_wire(wire: edge_pb2.Draft) -> Draft:
    """Wire to domain."""
    return Draft(
        id=wire.id,
        digest=digest_from_wire(wire.digest),
        request=generation_from_wire(wire.request),
        privacy=privacy_from_wire(wire.privacy),
        model=wire.model,
        elapsed_ms=wire.elapsed_ms,
        created_at=time_from_wire(wire.created_at),
        warnings=tuple(wire.warnings),
    )


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
    request = generation_from_wire(wire.request, defaults)
    if request.strength is None:
        raise InvalidRequest("a promotion needs a strength, above 0 to 1")
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
        state=_STATE_FROM_WIRE[wire.state],
        promotion=promotion_request_from_wire(wire.promotion),
        quote=quote_from_wire(wire.quote),
        created_at=time_from_wire(wire.created_at),
        updated_at=time_from_wire(wire.updated_at),
        attempts=wire.attempts,
        reason=wire.reason,
        approved_by=wire.approved_by,
        dead=wire.dead,
        retried_as=wire.retried_as,
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
        state=_STATE_FROM_WIRE[wire.state],
        step=wire.step,
        steps=wire.steps,
        preview=wire.preview,
        message=wire.message,
    )


def period_from_wire(wire: orchestrator_pb2.BudgetPeriod) -> Period:
    """A campaign if it is not specified."""
    return _PERIOD_FROM_WIRE.get(wire, Period.CAMPAIGN)


def budget_to_wire(budget: Budget) -> orchestrator_pb2.Budget:
    """Domain to wire."""
    return orchestrator_pb2.Budget(
        scope=budget.scope,
        limit_usd_micros=budget.limit_usd_micros,
        spent_usd_micros=budget.spent_usd_micros,
        reserved_usd_micros=budget.reserved_usd_micros,
        period=PERIOD_TO_WIRE[budget.period],
        soft=budget.soft,
        from_day=budget.from_day,
        until_day=budget.until_day,
    )


def budget_from_wire(wire: orchestrator_pb2.Budget) -> Budget:
    """Wire to domain."""
    return Budget(
        scope=wire.scope,
        limit_usd_micros=wire.limit_usd_micros,
        spent_usd_micros=wire.spent_usd_micros,
        reserved_usd_micros=wire.reserved_usd_micros,
        period=period_from_wire(wire.period),
        soft=wire.soft,
        from_day=wire.from_day,
        until_day=wire.until_day,
    )


def spend_to_wire(line: SpendLine) -> orchestrator_pb2.SpendLine:
    """Domain to wire."""
    return orchestrator_pb2.SpendLine(
        scope=line.scope,
        promotions=line.promotions,
        charged_usd_micros=line.charged_usd_micros,
        cloud_only_usd_micros=line.cloud_only_usd_micros,
        key=line.key,
    )


def spend_from_wire(wire: orchestrator_pb2.SpendLine) -> SpendLine:
    """Wire to domain."""
    return SpendLine(
        scope=wire.scope,
        promotions=wire.promotions,
        charged_usd_micros=wire.charged_usd_micros,
        cloud_only_usd_micros=wire.cloud_only_usd_micros,
        key=tuple(wire.key),
    )


def entry_to_wire(entry: LedgerEntry) -> orchestrator_pb2.LedgerEntry:
    """Domain to wire."""
    return orchestrator_pb2.LedgerEntry(
        id=entry.id,
        number=entry.number,
        at=time_to_wire(entry.at),
        kind=entry.kind,
        promotion_id=entry.promotion_id,
        scopes=entry.scopes,
        day=entry.day,
        reserved_usd_micros=entry.reserved_usd_micros,
        spent_usd_micros=entry.spent_usd_micros,
        model=entry.model,
        cloud_only_usd_micros=entry.cloud_only_usd_micros,
        note=entry.note,
    )


def entry_from_wire(wire: orchestrator_pb2.LedgerEntry) -> LedgerEntry:
    """Wire to domain."""
    return LedgerEntry(
        id=wire.id,
        number=wire.number,
        at=time_from_wire(wire.at),
        kind=_KIND_FROM_WIRE[wire.kind],
        promotion_id=wire.promotion_id,
        scopes=tuple(wire.scopes),
        day=wire.day,
        reserved_usd_micros=wire.reserved_usd_micros,
        spent_usd_micros=wire.spent_usd_micros,
        model=wire.model,
        cloud_only_usd_micros=wire.cloud_only_usd_micros,
        note=wire.note,
    )


def verification_to_wire(found: Verification) -> orchestrator_pb2.VerifyLedgerResponse:
    """Domain to wire."""
    return orchestrator_pb2.VerifyLedgerResponse(
        entries=found.entries,
        number=found.number,
        checkpoint_number=found.checkpoint_number,
        balances=found.balances,
        reservations=found.reservations,
        mismatches=found.mismatches,
        frozen=found.frozen,
    )


def verification_from_wire(wire: orchestrator_pb2.VerifyLedgerResponse) -> Verification:
    """Wire to domain."""
    return Verification(
        entries=wire.entries,
        number=wire.number,
        checkpoint_number=wire.checkpoint_number,
        balances=wire.balances,
        reservations=wire.reservations,
        mismatches=tuple(wire.mismatches),
        frozen=wire.frozen,
    )


def time_to_wire(at: datetime) -> Timestamp:
    """An aware time to the wire."""
    wire = Timestamp()
    wire.FromDatetime(at)
    return wire


def time_from_wire(wire: Timestamp) -> datetime:
    """An aware time in UTC."""
    return wire.ToDatetime(tzinfo=UTC)


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
