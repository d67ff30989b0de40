"""Converts generation requests, digests, progress and times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.generation import Fit, GenerationRequest, LoraUse, Progress
from underpaint.contract.pictures import Digest
from underpaint.v1 import cloud_pb2, common_pb2

FIT_TO_WIRE: Final[dict[Fit, common_pb2.Fit]] = {
    Fit.CROP: common_pb2.FIT_CROP,
    Fit.PAD: common_pb2.FIT_PAD,
    Fit.REFUSE: common_pb2.FIT_REFUSE,
}
_FIT_FROM_WIRE: Final = {wire: own for own, wire in FIT_TO_WIRE.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """The values that replace zeros in a request."""

    width: int
    height: int
    num_inference_steps: int
    guidance_scale: float
    strength: float | None = None  # for promotions that leave it to the orchestrator
    # Whether these are an engine's own, to be brought to the draft: width x height is then a number
    # of pixels in the draft's shape, and the strength follows from the prompt.
    of_engine: bool = False


def digest_to_wire(digest: Digest) -> common_pb2.Digest:
    """Domain to wire."""
    return common_pb2.Digest(sha256=digest.sha256, size=digest.size, media_type=digest.media_type)


def digest_from_wire(wire: common_pb2.Digest) -> Digest:
    """Raises InvalidRequest if the SHA-256 is not 64 lower-case hexadecimal digits."""
    if len(wire.sha256) != 64 or set(wire.sha256) - set("0123456789abcdef"):
        raise InvalidRequest(f"{wire.sha256!r} is not a SHA-256; send 64 lower-case hex digits")
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
        fit=FIT_TO_WIRE[request.fit],
        loras=[common_pb2.LoraUse(name=use.name, weight=use.weight) for use in request.loras],
        scheduler=request.scheduler,
        clip_skip=request.clip_skip,
        control_scale=request.control_scale,
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
        fit=_FIT_FROM_WIRE.get(wire.fit, Fit.CROP),
        loras=tuple(LoraUse(name=use.name, weight=use.weight) for use in wire.loras),
        scheduler=wire.scheduler,
        clip_skip=wire.clip_skip,
        control_scale=wire.control_scale,
    )


def progress_to_wire(progress: Progress) -> cloud_pb2.Progress:
    """Domain to wire."""
    return cloud_pb2.Progress(
        step=progress.step, steps=progress.steps, stage=progress.stage, preview=progress.preview
    )


def progress_from_wire(wire: cloud_pb2.Progress) -> Progress:
    """Wire to domain."""
    return Progress(step=wire.step, steps=wire.steps, stage=wire.stage, preview=wire.preview)


def time_to_wire(at: datetime) -> Timestamp:
    """Domain to wire; the time must have a time zone."""
    wire = Timestamp()
    wire.FromDatetime(at)
    return wire


def time_from_wire(wire: Timestamp) -> datetime:
    """Wire to domain: a time in UTC."""
    return wire.ToDatetime(tzinfo=UTC)
