"""Values that tests begin from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from PIL import Image
from underpaint.contract.drafts import Privacy
from underpaint.contract.generation import GenerationRequest
from underpaint.contract.pictures import Digest, encode_png
from underpaint.contract.promotion import Account, PromotionRequest, Quote, QuoteLine
from underpaint.orchestrator.pricing.table import EnginePrice
from underpaint.orchestrator.promotions.quoting import content_of
from underpaint.orchestrator.promotions.store import OpenQuote, Outcome

DRAFT = encode_png(Image.new("RGB", (128, 96), "teal"))
PRICE = EnginePrice(
    per_gpu_second_micros=695,
    per_image_micros=1_000,
    per_megapixel_step_micros=10,
    max_gpu_seconds=120,
    num_inference_steps=28,
    guidance_scale=3.0,
    width=1024,
    height=1024,
)
GENERATION = GenerationRequest(
    prompt="a teal boat",
    seed=7,
    width=1024,
    height=1024,
    num_inference_steps=28,
    guidance_scale=3.0,
    strength=0.6,
)
OUTCOME = Outcome(
    digest=Digest.of(DRAFT),
    model="stub",
    upscaler="none",
    gpu_seconds=2.5,
    warnings=("of 90 words it read the first 60",),
)


def promotion_request(**changes: Any) -> PromotionRequest:
    request = PromotionRequest(
        request=GENERATION,
        init_image=Digest.of(DRAFT),
        init_width=128,
        init_height=96,
        privacy=Privacy.FULL,
        account=Account(),
        engine="full",
        draft_id="draft-1",
        draft_model="lite",
        draft_seed=7,
        draft_count=8,
    )
    return replace(request, **changes)


def open_quote(request: PromotionRequest, max_usd_micros: int, quote_id: str = "q-1") -> OpenQuote:
    quote = Quote(
        id=quote_id,
        engine="full",
        max_usd_micros=max_usd_micros,
        price_table_version="test",
        expires_at=datetime.now(UTC) + timedelta(minutes=10),
        verdicts=(),
        lines=(QuoteLine(what="all of it", usd_micros=max_usd_micros),),
        cloud_only_usd_micros=9 * max_usd_micros,
        request=request.request,
    )
    return OpenQuote(quote=quote, price=PRICE, content=content_of(request))
