"""A start from a picture, and inpainting, with pipelines that only draw from words.

The picture's latents take the place of the noise that the pipeline begins with, with as much noise
as the first step of its schedule expects. Where only a part is drawn anew, the rest is put back
after each step, with as much noise as the next step expects.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch
from underpaint.engines.pipelines.levels import noised


@contextmanager
def noised_start(
    pipeline: Any, clean: torch.Tensor, seed: int, drawn: torch.Tensor | None = None
) -> Iterator[dict[str, Any]]:
    """For one call of a text-to-image pipeline, inside `exact_steps` with a strength.

    Yields further arguments for the call.

    Args:
        pipeline: of diffusers, that draws one picture.
        clean: the picture's latents, from `Latents.encode`.
        seed: of the noise, which is drawn on the CPU, so that it is the same on every device.
        drawn: 1 where the picture is drawn anew and 0 where it is kept, from
            `Latents.encode_mask`; None to draw all of it.
    """
    scheduler = pipeline.scheduler
    generator = torch.Generator("cpu").manual_seed(seed)
    noise = torch.randn(clean.shape, generator=generator).to(clean.device)
    prepared: list[torch.Tensor] = []
    scheduled = False

    def start(like: torch.Tensor) -> torch.Tensor:
        if like.shape != clean.shape:
            shapes = f"{tuple(clean.shape)}, the pipeline's {tuple(like.shape)}"
            raise ValueError(f"the picture's latents are {shapes}")
        return noised(scheduler, 0, clean.float(), noise).to(like)

    own_set, own_step = scheduler.set_timesteps, scheduler.step
    own_prepare = getattr(pipeline, "prepare_latents", None)
    arguments: dict[str, Any] = {}
    if own_prepare is None:  # such as ERNIE-Image's: its noise is given to it
        arguments["latents"] = torch.zeros_like(clean)
        prepared.append(arguments["latents"])
    instance = vars(pipeline).get("prepare_latents")

    @wraps(own_set)
    def set_timesteps(*given: Any, **named: Any) -> None:
        nonlocal scheduled
        own_set(*given, **named)
        scheduled = True
        for latents in prepared:  # the schedule depends on their number in some families
            latents.copy_(start(latents))

    def prepare_latents(*given: Any, **named: Any) -> Any:
        assert own_prepare is not None
        output = own_prepare(*given, **named)
        latents = output[0] if isinstance(output, tuple) else output
        if scheduled:
            latents = start(latents)
        else:
            latents = latents.clone()  # may be given from outside
            prepared.append(latents)
        return (latents, *output[1:]) if isinstance(output, tuple) else latents

    scheduler.set_timesteps = set_timesteps
    if own_prepare is not None:
        pipeline.prepare_latents = wraps(own_prepare)(prepare_latents)
    if drawn is not None:
        _keep(scheduler, clean, noise, drawn)
    try:
        yield arguments
    finally:
        scheduler.set_timesteps, scheduler.step = own_set, own_step
        if instance is None:
            vars(pipeline).pop("prepare_latents", None)
        else:
            pipeline.prepare_latents = instance


@contextmanager
def kept_outside(
    pipeline: Any, clean: torch.Tensor, seed: int, drawn: torch.Tensor
) -> Iterator[None]:
    """For one call of a pipeline that starts from the picture itself, but takes no mask.

    Args:
        pipeline: of diffusers, that draws one picture.
        clean: the picture's latents, from `Latents.encode`.
        seed: of the noise in what is kept.
        drawn: 1 where the picture is drawn anew and 0 where it is kept.
    """
    scheduler = pipeline.scheduler
    generator = torch.Generator("cpu").manual_seed(seed)
    noise = torch.randn(clean.shape, generator=generator).to(clean.device)
    own_step = scheduler.step
    _keep(scheduler, clean, noise, drawn)
    try:
        yield
    finally:
        scheduler.step = own_step


def _keep(scheduler: Any, clean: torch.Tensor, noise: torch.Tensor, drawn: torch.Tensor) -> None:
    """Makes each step put back what is kept: exactly, after the last one."""
    own_step = scheduler.step
    # Consistency models of Sana carry latents in another unit, and return the clean ones beside.
    both = type(scheduler).__name__ == "SCMScheduler"
    unit = scheduler.config.sigma_data if both else 1.0
    count = 0

    def blended(latents: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        return torch.where(drawn.to(latents) > 0.5, latents, (unit * kept).to(latents))

    @wraps(own_step)
    def step(*given: Any, **named: Any) -> Any:
        nonlocal count
        output = own_step(*given, **named)
        count += 1
        calls = len(scheduler.timesteps) - both
        index = count if count < calls else len(scheduler.timesteps)
        kept = noised(scheduler, index, clean.float(), noise)
        if not isinstance(output, tuple):
            output.prev_sample = blended(output.prev_sample, kept)
            return output
        first, *rest = output
        if both:
            rest[0] = blended(rest[0], clean.float())
        return (blended(first, kept), *rest)

    scheduler.step = step
