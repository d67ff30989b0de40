"""One full value of every kind that travels."""

from dataclasses import replace
from datetime import UTC, datetime

from underpaint.contract.accounting import Budget, LedgerEntry, Period, SpendLine, Verification
from underpaint.contract.drafts import Draft, Node, Privacy
from underpaint.contract.engines import EngineDescription, Lora
from underpaint.contract.generation import Fit, GenerationRequest, Inputs, LoraUse, Progress
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
    Withheld,
)

AT = datetime(2026, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
DIGEST = Digest.of(b"picture", media_type="image/webp")
REQUEST = GenerationRequest(
    prompt="a cat",
    negative_prompt="a dog",
    seed=2**63 - 1,
    width=128,
    height=256,
    num_inference_steps=4,
    guidance_scale=2.5,
    strength=0.6,
    fit=Fit.PAD,
    loras=(LoraUse(name="ink", weight=0.75), LoraUse(name="gold", weight=-1)),
    scheduler="euler",
    clip_skip=2,
    control_scale=0.5,
)
INPUTS = Inputs(
    init_image=b"a", mask=b"b", control=b"c", control_kind="edges", references=(b"d", b"e")
)
DRAFT = Draft(
    id="abcdefghijkl",
    digest=DIGEST,
    request=REQUEST,
    privacy=Privacy.STRUCTURE,
    model="lite",
    elapsed_ms=12,
    created_at=AT,
    warnings=("one", "two"),
)
NODE = Node(
    model="lite",
    width=64,
    height=128,
    num_inference_steps=4,
    guidance_scale=2.5,
    drafts=3,
    draft_limit=5,
    loras=(Lora(name="ink", digest="e" * 64),),
)
ENGINE = EngineDescription(
    name="full",
    model="sdxl",
    num_inference_steps=28,
    guidance_scale=7.5,
    strength=0.5,
    family="sdxl",
    width=1_024,
    height=768,
    takes=("mask", "control:edges"),
    loras=(Lora(name="ink", digest="e" * 64), Lora(name="gold", digest="f" * 64)),
)
PROGRESS = Progress(step=1, steps=4, stage="denoise", preview=b"jpeg")
PROMOTION_REQUEST = PromotionRequest(
    request=REQUEST,
    init_image=DIGEST,
    init_width=64,
    init_height=128,
    privacy=Privacy.FULL,
    account=Account(organisation="o", team="t", project="p", user="u"),
    engine="full",
    draft_id="abcdefghijkl",
    draft_model="lite",
    draft_seed=9,
    draft_count=8,
    priority=Priority.BATCH,
    retry_of="p0",
    mask=Digest.of(b"mask"),
    control=Digest.of(b"control"),
    control_kind="edges",
    references=(Digest.of(b"one"), Digest.of(b"two")),
    auto_strength=True,
    prompt_moved=0.5,
    draft_score=0.25,
)
QUOTE = Quote(
    id="q1",
    engine="full",
    max_usd_micros=12_345,
    price_table_version="v1",
    expires_at=AT,
    verdicts=(
        RuleVerdict(
            rule="size", matched=True, decided=True, reason="small", saw={"request.width": "128"}
        ),
    ),
    lines=(QuoteLine(what="gpu", usd_micros=12_345),),
    cloud_only_usd_micros=99_999,
    request=REQUEST,
    asked=replace(REQUEST, num_inference_steps=9),
    approval=Approval(role="lead", within_s=3_600),
    policy_version="ab" * 32,
    facts={"user.roles": '["lead"]'},
    warnings=("over a soft limit",),
    strength_reason="strength 0.6: the engine's own",
    priority=Priority.BATCH,
    charges_flagged=True,
)
LINEAGE = Lineage(
    draft_sha256=DIGEST.sha256,
    draft_id="abcdefghijkl",
    draft_model="lite",
    draft_seed=9,
    engine="full",
    model="underpaint-full",
    upscaler="x4",
    request=REQUEST,
    mask_sha256="a" * 64,
    control_sha256="b" * 64,
    control_kind="edges",
    reference_sha256s=("c" * 64, "d" * 64),
)
RECEIPT = Receipt(
    quoted_usd_micros=3,
    charged_usd_micros=2,
    cloud_only_usd_micros=9,
    price_table_version="v1",
    gpu_seconds=1.25,
    settled_at=AT,
)
PROMOTION = Promotion(
    id="p1",
    state=PromotionState.SETTLED,
    promotion=PROMOTION_REQUEST,
    quote=QUOTE,
    created_at=AT,
    updated_at=AT,
    attempts=2,
    reason="done",
    approved_by="ana",
    dead=True,
    retried_as="p2",
    withheld=Withheld.FLAGGED,
    artifact=DIGEST,
    lineage=LINEAGE,
    receipt=RECEIPT,
    warnings=("over a soft limit",),
)
EVENT = PromotionEvent(
    id="5-1", at=AT, state=PromotionState.RUNNING, step=1, steps=4, preview=b"jpeg", message="on"
)
BUDGET = Budget(
    scope="user:u",
    limit_usd_micros=10,
    spent_usd_micros=3,
    reserved_usd_micros=2,
    period=Period.DAY,
    soft=True,
    from_day="2026-11-01",
    until_day="2026-11-30",
)
SPEND = SpendLine(
    scope="user:u", promotions=2, charged_usd_micros=3, cloud_only_usd_micros=40, key=("a", "b")
)
ENTRY = LedgerEntry(
    id="5-1",
    number=9,
    at=AT,
    kind="settle",
    promotion_id="p1",
    scopes=("organisation:o", "team:t"),
    day="2026-05-06",
    reserved_usd_micros=-3,
    spent_usd_micros=2,
    model="underpaint-full",
    cloud_only_usd_micros=18,
    note="finished",
)
VERIFICATION = Verification(
    entries=9,
    number=12,
    checkpoint_number=3,
    balances=8,
    reservations=1,
    mismatches=("user:u",),
    frozen="it does not add up",
)
