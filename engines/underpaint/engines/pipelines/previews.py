"""Makes small previews from latents during denoising."""

from __future__ import annotations

import logging
from typing import Any, Final

import torch
from underpaint.contract.pictures import encode_preview
from underpaint.engines.pipelines.latents import Latents
from underpaint.engines.pipelines.levels import level_of

log = logging.getLogger(__name__)

MOST_PIXELS: Final = 256  # a side, decoded
# Their steps add no noise, so that two latents in a row give away the clean ones.
_STRAIGHT: Final = frozenset(
    {
        "DDIMScheduler",
        "DEISMultistepScheduler",
        "DPMSolverMultistepScheduler",
        "DPMSolverSinglestepScheduler",
        "EulerDiscreteScheduler",
        "FlowMatchEulerDiscreteScheduler",
        "FlowMatchHeunDiscreteScheduler",
        "HeunDiscreteScheduler",
        "LMSDiscreteScheduler",
        "UniPCMultistepScheduler",
    }
)


class Previewer:
    """Follows the latents of one generation and turns them into JPEGs when asked."""

    def __init__(self, latents: Latents, scheduler: Any, taesd: Any = None) -> None:
        """Follows one generation.

        Args:
            latents: of the pipeline at its working size.
            scheduler: of the pipeline.
            taesd: a tiny autoencoder for the same latents, which decodes faster.
        """
        self._latents = latents
        self._scheduler = scheduler
        self._taesd = taesd
        self._count = 0
        self._before: torch.Tensor | None = None

    def follow(self, latents: torch.Tensor, *, show: bool) -> bytes:
        """Takes the latents after a step; a JPEG if `show`, else nothing.

        A preview is a courtesy: where the pipeline's latents are of an unknown shape, the
        answer is empty and the generation goes on.
        """
        before, self._before = self._before, latents
        self._count += 1
        if not show:
            return b""
        try:
            clean = self._clean(before, latents)
            picture = self._latents.decode(clean, MOST_PIXELS, self._taesd)
            return encode_preview(picture)
        except (RuntimeError, ValueError, TypeError, AttributeError, LookupError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            log.warning("no preview: %s", reason)
            return b""

    def _clean(self, before: torch.Tensor | None, latents: torch.Tensor) -> torch.Tensor:
        """The clean latents that the last step led to.

        Of x = a x0 + s e before and x' = a' x0 + s' e after a step with the same noise e it is
        x0 = (s' x - s x') / (s' a - s a'). Schedulers that draw new noise show the latents.
        """
        scheduler = self._scheduler
        straight = type(scheduler).__name__ in _STRAIGHT and "sde" not in str(
            scheduler.config.get("algorithm_type", "")
        )
        if before is None or not straight or scheduler.config.get("stochastic_sampling"):
            return latents
        kept, share = level_of(scheduler, self._count - 1)
        kept_after, share_after = level_of(scheduler, self._count)
        whole = share_after * kept - share * kept_after
        if abs(whole) < 1e-6:  # the second call of a step, at the same level
            return latents
        clean = (share_after * before.float() - share * latents.float()) / whole
        return clean.to(latents.dtype)
