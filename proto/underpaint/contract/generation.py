"""What an engine is asked for and what it answers, the same on both tiers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final

from underpaint.contract.errors import InvalidRequest
from underpaint.contract.prompts import clean

MAX_PROMPT: Final = 1_000  # characters
MIN_SIDE: Final = 64  # pixels
MAX_SIDE: Final = 2_048  # pixels
SIDE_MULTIPLE: Final = 8  # pixels; what the autoencoders divide by
MAX_STEPS: Final = 150
MAX_GUIDANCE: Final = 30.0
MAX_SEED: Final = 2**63 - 1
MIN_STRENGTH: Final = 0.01
# Steps of the schedule that a strength is a part of. Diffusion models are trained on as many.
MAX_SCHEDULE: Final = 1_000


class Fit(Enum):
    """What becomes of a draft whose shape is not that of the result."""

    # What a picture editor does that is told to fill a frame: nothing is distorted, nothing is
    # invented, and the subject, which is mostly in the middle, stays.
    CROP = "crop"  # what does not fit is cut off, on both sides alike
    PAD = "pad"  # the whole draft stays; the rest is filled with the colours of its edges
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """A picture to be made; refuses to exist with values no engine takes.

    Names and meanings are diffusers', save that `num_inference_steps` counts the
    steps that are really run; what a scheduler is asked for is the engine's affair.

    Raises:
        InvalidRequest: a field is out of range.
    """

    prompt: str
    negative_prompt: str = ""
    seed: int
    width: int
    height: int
    num_inference_steps: int
    guidance_scale: float
    strength: float | None = None
    fit: Fit = Fit.CROP  # of the picture that it starts from, if there is one

    def __post_init__(self) -> None:
        if not clean(self.prompt):
            raise InvalidRequest("the prompt is empty; say what to draw")
        for name in ("prompt", "negative_prompt"):
            length = len(getattr(self, name))
            if length > MAX_PROMPT:
                raise InvalidRequest(
                    f"{name} has {length} characters; at most {MAX_PROMPT} are taken"
                )
        if not 0 <= self.seed <= MAX_SEED:
            raise InvalidRequest(f"seed {self.seed} is out of range; use 0 to 2^63 - 1")
        for name in ("width", "height"):
            side = getattr(self, name)
            if side % SIDE_MULTIPLE or not MIN_SIDE <= side <= MAX_SIDE:
                raise InvalidRequest(
                    f"{name} {side} does not fit; use a multiple of {SIDE_MULTIPLE} "
                    f"from {MIN_SIDE} to {MAX_SIDE} pixels"
                )
        if not 1 <= self.num_inference_steps <= MAX_STEPS:
            raise InvalidRequest(
                f"num_inference_steps {self.num_inference_steps} is out of range; "
                f"use 1 to {MAX_STEPS}"
            )
        # "not a <= x <= b" also refuses NaN.
        if not 0 <= self.guidance_scale <= MAX_GUIDANCE:
            raise InvalidRequest(
                f"guidance_scale {self.guidance_scale} is out of range; use 0 to {MAX_GUIDANCE:g}"
            )
        if self.strength is not None and not 0 < self.strength <= 1:
            raise InvalidRequest(
                f"strength {self.strength} is out of range; use {MIN_STRENGTH} (keep the draft) "
                "to 1 (ignore it)"
            )

    @property
    def megapixels(self) -> float:
        """Size of the result in millions of pixels."""
        return self.width * self.height / 1e6


def check_asked(request: GenerationRequest) -> GenerationRequest:
    """The same request, if it may be asked of an engine today.

    Every door that takes a request calls this. The type itself does not, so that what was
    stored before a bound was tightened can still be read.

    Raises:
        InvalidRequest: the strength is so small, beside the steps, that the engine would have
            to make a huge schedule.
    """
    strength, steps = request.strength, request.num_inference_steps
    if strength is None:
        return request
    if strength < MIN_STRENGTH:
        raise InvalidRequest(
            f"strength {strength} is out of range; use {MIN_STRENGTH} (keep the draft) "
            "to 1 (ignore it)"
        )
    schedule = math.ceil(steps / strength)
    if schedule > MAX_SCHEDULE:
        raise InvalidRequest(
            f"{steps} steps at strength {strength} need a schedule of {schedule:,} steps; "
            f"at most {MAX_SCHEDULE:,} are taken: use at most {int(MAX_SCHEDULE * strength)} "
            f"steps, or a strength of at least {math.ceil(100 * steps / MAX_SCHEDULE) / 100}"
        )
    return request


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a generation stands."""

    step: int
    steps: int
    stage: str
    preview: bytes = b""  # a small JPEG, or nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationResult:
    """A finished picture: encoded bytes and what it took."""

    picture: bytes
    width: int
    height: int
    model: str
    upscaler: str = ""
    gpu_seconds: float
    warnings: tuple[str, ...] = ()  # such as words of the prompt that were not read
