"""Starts a text-to-image pipeline from a picture, and keeps what a mask keeps.

Image-to-image is only: encode the picture, add noise as at the point where the schedule begins,
and denoise from there. So the noise that the pipeline has made is overwritten in place, as soon as
both it and the timesteps are known.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

import torch
from underpaint.engines.families.family import Family, Layout, Start
from underpaint.engines.pipelines.latents import encode, mask_like
from underpaint.engines.pipelines.plan import Pictures, Way


class Beginning:
    """What a call of a pipeline begins with, for the time of that call."""

    def __init__(
        self,
        pipeline: Any,
        family: Family,
        size: tuple[int, int],
        pictures: Pictures,
        way: Way,
        seed: int,
    ) -> None:
        """Takes a pipeline of which `exact_steps` has already replaced `set_timesteps`."""
        self._pipeline, self._family, self._size = pipeline, family, size
        self._pictures, self._way, self._seed = pictures, way, seed
        self._latents: torch.Tensor | None = None  # as the pipeline made them
        self._noise: torch.Tensor | None = None
        self._clean: torch.Tensor | None = None
        self._mask: torch.Tensor | None = None
        self._timed = False

    @staticmethod
    def possible(family: Family) -> bool:
        """Whether the layout of the family's latents is known."""
        return family.layout is not Layout.OTHER and family.start is not Start.NEVER

    def __enter__(self) -> Beginning:
        prepare = self._pipeline.prepare_latents
        scheduler = self._pipeline.scheduler
        set_timesteps = scheduler.set_timesteps

        @wraps(prepare)
        def prepared(*given: Any, **named: Any) -> Any:
            made = prepare(*given, **named)
            self._latents = made[0] if isinstance(made, tuple) else made
            self._begin()
            return made

        @wraps(set_timesteps)
        def timed(*given: Any, **named: Any) -> Any:
            set_timesteps(*given, **named)
            self._timed = True
            self._begin()

        self._pipeline.prepare_latents = prepared
        scheduler.set_timesteps = timed
        return self

    def __exit__(self, *_: object) -> None:
        # `exact_steps` puts the scheduler back.
        vars(self._pipeline).pop("prepare_latents", None)

    def keep(self, latents: torch.Tensor, count: int) -> torch.Tensor:
        """Latents after `count` steps, with the picture's own where the mask keeps them."""
        assert self._clean is not None  # or no step would have been
        assert self._mask is not None
        timesteps = self._pipeline.scheduler.timesteps
        kept = self._clean
        if count < len(timesteps) and timesteps[count] > 0:
            kept = self._noised(timesteps[count : count + 1])
        return torch.lerp(kept.to(latents.dtype), latents, self._mask.to(latents.dtype))

    def _begin(self) -> None:
        if self._latents is None or not self._timed or self._clean is not None:
            return
        scheduler, start = self._pipeline.scheduler, self._pictures.init_image
        assert start is not None
        self._clean = encode(start, self._pipeline, self._family, self._latents).float()
        if self._way.noised:
            largest = getattr(scheduler, "init_noise_sigma", 1.0)
            self._noise = self._latents.float() / float(largest)
            begun = self._noised(scheduler.timesteps[:1])
            self._latents.copy_(begun.to(self._latents.dtype))
        else:  # the pipeline's own noise is mixed with the picture already
            generator = torch.Generator("cpu").manual_seed(self._seed)
            noise = torch.randn(self._clean.shape, generator=generator)
            self._noise = noise.to(self._clean.device)
        if self._way.kept and self._pictures.mask is not None:
            scale = int(getattr(self._pipeline, "vae_scale_factor", None) or 8)
            self._mask = mask_like(
                self._pictures.mask, self._size, scale, self._latents, self._family
            ).float()

    def _noised(self, timestep: torch.Tensor) -> torch.Tensor:
        scheduler = self._pipeline.scheduler
        clean, noise = self._clean, self._noise
        # Outside the schedule's walk, these look their level up by the timestep.
        begin, index = (getattr(scheduler, name, None) for name in ("_begin_index", "_step_index"))
        scheduler._begin_index = scheduler._step_index = None
        try:
            if hasattr(scheduler, "scale_noise"):
                return scheduler.scale_noise(clean, timestep, noise)  # type: ignore[no-any-return]
            return scheduler.add_noise(clean, noise, timestep)  # type: ignore[no-any-return]
        finally:
            scheduler._begin_index, scheduler._step_index = begin, index
