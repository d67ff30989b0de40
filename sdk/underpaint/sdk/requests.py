"""The requests of clients; values that are None are filled in by the services."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass, field
from typing import Final

from underpaint.contract.drafts import InitImage, Privacy
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.generation import MIN_SIDE, Fit, GenerationRequest, check_asked
from underpaint.contract.pictures import read
from underpaint.contract.promotion import Account, Priority
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

    strength: float  # 0.01 (keep the draft) to 1 (ignore it)
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

    def __post_init__(self) -> None:
        if self.draft_count < 1:
            raise InvalidRequest(f"draft_count is {self.draft_count}; it must be at least 1")
        # The draft's own prompt and seed were checked when it was made.
        self._generation(
            prompt="x" if self.prompt is None else self.prompt,
            negative_prompt=self.negative_prompt or "",
            seed=self.seed or 0,
        )

    def to_wire(self, init_image: InitImage) -> orchestrator_pb2.PromotionRequest:
        """The request for one draft, as a protobuf message.

        Raises:
            InvalidRequest: the draft's picture cannot be read.
        """
        draft = init_image.draft
        seen = read(init_image.picture)
        for warning in seen.warnings:
            log.warning("draft %s: %s", draft.id, warning)
        negative_prompt = self.negative_prompt
        return orchestrator_pb2.PromotionRequest(
            request=self._generation(
                prompt=draft.request.prompt if self.prompt is None else self.prompt,
                negative_prompt=draft.request.negative_prompt
                if negative_prompt is None
                else negative_prompt,
                seed=draft.request.seed if self.seed is None else self.seed,
            ),
            init_image=digest_to_wire(draft.digest),
            init_width=seen.image.width,
            init_height=seen.image.height,
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
        )


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
) -> common_pb2.GenerationRequest:
    """Makes the message, after checking the values that are given; None is sent as zero."""
    for text in (prompt, negative_prompt):
        # Arguments that are not UTF-8 reach Python as lone surrogates, which protobuf refuses.
        if not text.isprintable() and any("\ud800" <= char <= "\udfff" for char in text):
            raise InvalidRequest("the prompt is not valid UTF-8; write it again")
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
            )
        )
    )
    given = (width, height, num_inference_steps, guidance_scale)
    for name, value in zip(_LEFT_OPEN, given, strict=True):
        if value is None:
            wire.ClearField(name)
    return wire
