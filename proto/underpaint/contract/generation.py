"""The requests and results of engines, the same on the edge and in the cloud."""

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
SIDE_MULTIPLE: Final = 8  # pixels; the autoencoders divide each side by this
MAX_STEPS: Final = 150
MAX_GUIDANCE: Final = 30.0
MAX_SEED: Final = 2**63 - 1
MIN_STRENGTH: Final = 0.01
# The longest schedule, in steps. Diffusion models are trained on as many.
MAX_SCHEDULE: Final = 1_000
MAX_LORAS: Final = 8
MAX_LORA_WEIGHT: Final = 2.0
MAX_NAME: Final = 100  # characters of the name of a LoRA or a scheduler
MAX_CLIP_SKIP: Final = 12  # layers
MAX_CONTROL_SCALE: Final = 2.0


class Fit(Enum):
    """How a draft is fitted to a result of another shape."""

    # The default, because it distorts and invents nothing, and keeps the middle, where the subject
    # usually is.
    CROP = "crop"  # cuts off equal parts on both sides
    PAD = "pad"  # keeps the whole draft and fills the rest with the colours of its edges
    REFUSE = "refuse"  # refuses the request


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraUse:
    """One LoRA of an engine in a request.

    Raises:
        InvalidRequest: the name is empty or too long, or the weight is out of range.
    """

    name: str  # as the engine calls it
    weight: float = 1.0

    def __post_init__(self) -> None:
        _check_name("a LoRA", self.name)
        if not self.name:
            raise InvalidRequest("a LoRA has no name; ListEngines tells those that an engine has")
        if not -MAX_LORA_WEIGHT <= self.weight <= MAX_LORA_WEIGHT:
            raise InvalidRequest(
                f"the weight {self.weight} of LoRA {self.name} is out of range; use "
                f"{-MAX_LORA_WEIGHT:g} to {MAX_LORA_WEIGHT:g}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """A picture to generate. It can only be made with values in the allowed ranges.

    Names and meanings are those of diffusers, except that `num_inference_steps` is the number of
    steps that actually run; the engine works out what to ask of the scheduler.

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
    fit: Fit = Fit.CROP  # how the init_image is fitted, if there is one
    # Empty and zero mean: as the model likes it.
    loras: tuple[LoraUse, ...] = ()
    scheduler: str = ""
    clip_skip: int = 0  # how many of the text encoder's last layers are left out
    control_scale: float = 0.0  # how strongly a control map steers

    def __post_init__(self) -> None:
        if not clean(self.prompt):
            raise InvalidRequest("the prompt is empty; say what to draw")
        for name in ("prompt", "negative_prompt"):
            length = len(getattr(self, name))
            if length > MAX_PROMPT:
                raise InvalidRequest(
                    f"{name} has {length} characters; at most {MAX_PROMPT} are allowed"
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
        # Written as "not a <= x <= b" so that NaN is refused, too.
        if not 0 <= self.guidance_scale <= MAX_GUIDANCE:
            raise InvalidRequest(
                f"guidance_scale {self.guidance_scale} is out of range; use 0 to {MAX_GUIDANCE:g}"
            )
        if self.strength is not None and not 0 < self.strength <= 1:
            raise InvalidRequest(
                f"strength {self.strength} is out of range; use {MIN_STRENGTH} (keep the draft) "
                "to 1 (ignore it)"
            )
        self._check_extras()

    def _check_extras(self) -> None:
        names = [each.name for each in self.loras]
        if len(names) > MAX_LORAS:
            raise InvalidRequest(f"{len(names)} LoRAs are named; at most {MAX_LORAS} are allowed")
        if twice := next((name for name in names if names.count(name) > 1), ""):
            raise InvalidRequest(f"LoRA {twice} is named twice; name it once, with one weight")
        _check_name("the scheduler", self.scheduler)
        if not 0 <= self.clip_skip <= MAX_CLIP_SKIP:
            raise InvalidRequest(
                f"clip_skip {self.clip_skip} is out of range; use 1 to {MAX_CLIP_SKIP}, or 0 "
                "for the model's own"
            )
        if not 0 <= self.control_scale <= MAX_CONTROL_SCALE:
            raise InvalidRequest(
                f"control_scale {self.control_scale} is out of range; use up to "
                f"{MAX_CONTROL_SCALE:g}, or 0 for the model's own"
            )

    @property
    def megapixels(self) -> float:
        """The size of the result in millions of pixels."""
        return self.width * self.height / 1e6


def check_asked(request: GenerationRequest) -> GenerationRequest:
    """Returns a new request if an engine may be asked for it.

    Every service calls this for requests from outside. The type itself does not check it, so that
    requests which were stored under older limits can still be read.

    Raises:
        InvalidRequest: the strength is so small for its steps that the engine would need a
            schedule of more than MAX_SCHEDULE steps.
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
            f"at most {MAX_SCHEDULE:,} are allowed: use at most {int(MAX_SCHEDULE * strength)} "
            f"steps, or a strength of at least {math.ceil(100 * steps / MAX_SCHEDULE) / 100}"
        )
    return request


def _check_name(what: str, name: str) -> None:
    if len(name) > MAX_NAME:
        raise InvalidRequest(
            f"the name of {what} has {len(name)} characters; at most {MAX_NAME} are allowed"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The encoded pictures that go beside a request."""

    init_image: bytes
    mask: bytes = b""  # what to draw anew; empty if everything may change
    control: bytes = b""  # a map that steers the drawing, or empty
    control_kind: str = ""  # what it shows, such as "edges"
    references: tuple[bytes, ...] = ()

    @property
    def pictures(self) -> tuple[bytes, ...]:
        """Every picture that there is, in the order in which they are sent."""
        return self.init_image, *filter(None, (self.mask, self.control)), *self.references


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of a generation."""

    step: int
    steps: int
    stage: str
    preview: bytes = b""  # a small JPEG, or empty


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationResult:
    """A finished picture and what it took to make it."""

    picture: bytes  # an encoded image file
    width: int
    height: int
    model: str
    upscaler: str = ""
    gpu_seconds: float
    warnings: tuple[str, ...] = ()  # such as words of the prompt that the model did not read
