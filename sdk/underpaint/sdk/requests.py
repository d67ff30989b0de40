"""The requests of clients; values that are None are filled in by the services."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass, field
from typing import Final

from underpaint.contract.drafts import InitImage, Privacy
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.generation import (
    MIN_SIDE,
    Fit,
    GenerationRequest,
    Inputs,
    LoraUse,
    check_asked,
)
from underpaint.contract.inputs import check_inputs, check_kind, grey_mask
from underpaint.contract.pictures import Digest, media_type
from underpaint.contract.promotion import Account, Priority
from underpaint.contract.strength import prompt_moved
from underpaint.contract.wire import (
    PRIORITY_TO_WIRE,
    PRIVACY_TO_WIRE,
    digest_to_wire,
    generation_to_wire,
)
from underpaint.v1 import common_pb2, edge_pb2, orchestrator_pb2

log = logging.getLogger(__name__)

MAX_DRAFTS: Final = 64
_LEFT_OPEN: Final = ("width", "height", "num_inference_steps", "guidance_scale")


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRequest:
    """A request for drafts of one prompt; None means the model's default.

    Raises:
        InvalidRequest: a field is out of range.
    """

    prompt: str
    seed: int
    count: int = 1
    negative_prompt: str = ""
    width: int | None = None  # pixels
    height: int | None = None  # pixels
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    privacy: Privacy = Privacy.FULL
    # Empty and zero mean: as the model likes it.
    loras: tuple[LoraUse, ...] = ()
    scheduler: str = ""
    clip_skip: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_DRAFTS:
            raise InvalidRequest(f"{self.count} drafts cannot be made; ask for 1 to {MAX_DRAFTS}")
        self.to_wire()

    def to_wire(self) -> edge_pb2.MakeDraftsRequest:
        """The request as a protobuf message."""
        request = _generation(
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            seed=self.seed,
            width=self.width,
            height=self.height,
            num_inference_steps=self.num_inference_steps,
            guidance_scale=self.guidance_scale,
            strength=None,
            fit=Fit.CROP,
            loras=self.loras,
            scheduler=self.scheduler,
            clip_skip=self.clip_skip,
        )
        return edge_pb2.MakeDraftsRequest(
            request=request, count=self.count, privacy=PRIVACY_TO_WIRE[self.privacy]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PolishRequest:
    """How to finish a draft.

    None means the draft's own prompt and seed, and otherwise the engine's default.

    Raises:
        InvalidRequest: a field is out of range.
    """

    # 0.01 (keep the draft) to 1 (ignore it). None lets the orchestrator choose, by how far the
    # prompt moved since the draft and by its score; the quote tells the reason.
    strength: float | None = None
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    # Size of the finished picture in pixels; None follows from the draft's shape.
    width: int | None = None
    height: int | None = None
    fit: Fit = Fit.CROP  # how a draft of another shape is fitted
    prompt: str | None = None
    negative_prompt: str | None = None
    seed: int | None = None
    engine: str = ""  # "" lets the policy choose
    account: Account = field(default_factory=Account)
    draft_count: int = 1  # how many drafts it was chosen from
    priority: Priority = Priority.INTERACTIVE
    # Empty and zero mean: as the model likes it.
    loras: tuple[LoraUse, ...] = ()
    scheduler: str = ""
    clip_skip: int = 0
    control_scale: float = 0.0
    # Encoded pictures beside the draft: what to draw anew (white), a map that steers the drawing
    # and what it shows (`edge_map` makes one of "edges"), and pictures to draw upon.
    mask: bytes = b""
    control: bytes = b""
    control_kind: str = ""
    references: tuple[bytes, ...] = ()
    draft_score: float | None = None  # how good the draft is, 0 to 1, if somebody judged it

    def __post_init__(self) -> None:
        if self.draft_count < 1:
            raise InvalidRequest(f"draft_count is {self.draft_count}; it must be at least 1")
        check_kind(self.control_kind, given=bool(self.control))
        if self.draft_score is not None and not 0 <= self.draft_score <= 1:
            raise InvalidRequest(f"draft_score is {self.draft_score}; use 0 to 1")
        # The draft's own prompt and seed were checked when it was made.
        self._generation(
            prompt="x" if self.prompt is None else self.prompt,
            negative_prompt=self.negative_prompt or "",
            seed=self.seed or 0,
        )

    def to_wire(self, init_image: InitImage) -> orchestrator_pb2.PromotionRequest:
        """The request for one draft, as a protobuf message.

        Raises:
            InvalidRequest: a picture cannot be read, or does not fit the draft.
        """
        draft = init_image.draft
        inputs = self.inputs(init_image)
        asked = (self.width, self.height)
        seen = check_inputs(inputs, (asked[0], asked[1]) if asked[0] and asked[1] else None)
        for warning in seen.warnings:
            log.warning("draft %s: %s", draft.id, warning)
        prompt = draft.request.prompt if self.prompt is None else self.prompt
        negative_prompt = self.negative_prompt
        return orchestrator_pb2.PromotionRequest(
            request=self._generation(
                prompt=prompt,
                negative_prompt=draft.request.negative_prompt
                if negative_prompt is None
                else negative_prompt,
                seed=draft.request.seed if self.seed is None else self.seed,
            ),
            init_image=digest_to_wire(draft.digest),
            init_width=seen.init_image.width,
            init_height=seen.init_image.height,
            privacy=PRIVACY_TO_WIRE[draft.privacy],
            account=orchestrator_pb2.Account(
                organisation=self.account.organisation,
                team=self.account.team,
                project=self.account.project,
                user=self.account.user,
            ),
            engine=self.engine,
            draft_id=draft.id,
            draft_model=draft.model,
            draft_seed=draft.request.seed,
            draft_count=self.draft_count,
            priority=PRIORITY_TO_WIRE[self.priority],
            mask=_digest(inputs.mask),
            control=_digest(inputs.control),
            control_kind=inputs.control_kind,
            references=filter(None, map(_digest, inputs.references)),
            auto_strength=self.strength is None,
            # The draft's own prompt stays here; only how far this one is from it leaves.
            prompt_moved=prompt_moved(draft.request.prompt, prompt),
            draft_score=self.draft_score,
        )

    def inputs(self, init_image: InitImage) -> Inputs:
        """The pictures that are sent; a mask in colour is brought to grey."""
        return Inputs(
            init_image=init_image.picture,
            mask=grey_mask(self.mask) if self.mask else b"",
            control=self.control,
            control_kind=self.control_kind,
            references=self.references,
        )

    def _generation(
        self, *, prompt: str, negative_prompt: str, seed: int
    ) -> common_pb2.GenerationRequest:
        return _generation(
            prompt=prompt,
            negative_prompt=negative_prompt,
            seed=seed,
            width=self.width,
            height=self.height,
            num_inference_steps=self.num_inference_steps,
            guidance_scale=self.guidance_scale,
            strength=self.strength,
            fit=self.fit,
            loras=self.loras,
            scheduler=self.scheduler,
            clip_skip=self.clip_skip,
            control_scale=self.control_scale,
        )


def _digest(picture: bytes) -> common_pb2.Digest | None:
    return digest_to_wire(Digest.of(picture, media_type(picture))) if picture else None


def new_promotion_id() -> str:
    """A new random promotion id of 64 bits: short enough to type, and practically unique."""
    return secrets.token_hex(8)


def _generation(
    *,
    prompt: str,
    negative_prompt: str,
    seed: int,
    width: int | None,
    height: int | None,
    num_inference_steps: int | None,
    guidance_scale: float | None,
    strength: float | None,
    fit: Fit,
    loras: tuple[LoraUse, ...],
    scheduler: str,
    clip_skip: int,
    control_scale: float = 0.0,
) -> common_pb2.GenerationRequest:
    """Makes the message, after checking the values that are given; None is sent as zero."""
    for text in (prompt, negative_prompt, scheduler, *(use.name for use in loras)):
        # Arguments that are not UTF-8 reach Python as lone surrogates, which protobuf refuses.
        if not text.isprintable() and any("\ud800" <= char <= "\udfff" for char in text):
            raise InvalidRequest("a text of the request is not valid UTF-8; write it again")
    if guidance_scale == 0:
        guidance_scale = 1.0  # both mean no guidance, but zero would ask for the model's default
    wire = generation_to_wire(
        check_asked(
            GenerationRequest(
                prompt=prompt,
                negative_prompt=negative_prompt,
                seed=seed,
                width=MIN_SIDE if width is None else width,
                height=MIN_SIDE if height is None else height,
                num_inference_steps=1 if num_inference_steps is None else num_inference_steps,
                guidance_scale=1.0 if guidance_scale is None else guidance_scale,
                strength=strength,
                fit=fit,
                loras=loras,
                scheduler=scheduler,
                clip_skip=clip_skip,
                control_scale=control_scale,
            )
        )
    )
    given = (width, height, num_inference_steps, guidance_scale)
    for name, value in zip(_LEFT_OPEN, given, strict=True):
        if value is None:
            wire.ClearField(name)
    return wire
