"""What a settled promotion tells: its lineage and its receipt."""

from __future__ import annotations

from datetime import datetime

from underpaint.contract.promotion import Lineage, PromotionRequest, Quote, Receipt
from underpaint.orchestrator.promotions.store import Outcome


def ending(
    request: PromotionRequest,
    quote: Quote,
    outcome: Outcome,
    charged_usd_micros: int,
    cloud_only_usd_micros: int,
    settled_at: datetime,
) -> tuple[Lineage, Receipt]:
    """The lineage and the receipt of a settled promotion; amounts in micro-dollars."""
    lineage = Lineage(
        draft_sha256=request.init_image.sha256,
        draft_id=request.draft_id,
        draft_model=request.draft_model,
        draft_seed=request.draft_seed,
        engine=quote.engine,
        model=outcome.model,
        upscaler=outcome.upscaler,
        request=quote.request,
        mask_sha256=request.mask.sha256 if request.mask else "",
        control_sha256=request.control.sha256 if request.control else "",
        control_kind=request.control_kind,
        reference_sha256s=tuple(each.sha256 for each in request.references),
    )
    receipt = Receipt(
        quoted_usd_micros=quote.max_usd_micros,
        charged_usd_micros=charged_usd_micros,
        cloud_only_usd_micros=cloud_only_usd_micros,
        price_table_version=quote.price_table_version,
        gpu_seconds=outcome.gpu_seconds,
        settled_at=settled_at,
    )
    return lineage, receipt
