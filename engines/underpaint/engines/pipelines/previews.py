"""Makes small previews from latents during denoising."""

from __future__ import annotations

import logging
from typing import Any, Final

import torch
from PIL import Image
from underpaint.contract.pictures import encode_preview

log = logging.getLogger(__name__)

# Decoded at most this large, in latent cells a side: 256 pixels for the usual factor of 8.
MAX_CELLS: Final = 32
# Schedulers whose step is x' = x + (σ' - σ) d, so that two latents give away the clean one.
_EULER: Final = frozenset({"FlowMatchEulerDiscreteScheduler", "EulerDiscreteScheduler"})


class Previewer:
    """Follows the latents of one generation and turns them into JPEGs when asked."""

    def __init__(self, pipeline: Any, width: int, height: int) -> None:
        """Takes the pipeline and its working size in pixels."""
        self._pipeline = pipeline
        self._size = (width, height)
        self._before: torch.Tensor | None = None

    def follow(self, latents: torch.Tensor, *, show: bool) -> bytes:
        """Takes the latents after a step; a JPEG if `show`, else nothing.

        A preview is a courtesy: where the pipeline's latents are of an unknown shape, the
        answer is empty and the generation goes on.
        """
        before, self._before = self._before, latents
        if not show:
            return b""
        try:
            return encode_preview(self._decode(self._clean(before, latents)))
        except (RuntimeError, ValueError, TypeError, AttributeError) as error:
            log.warning("no preview: %s", error)
            return b""

    def _clean(self, before: torch.Tensor | None, latents: torch.Tensor) -> torch.Tensor:
        """The predicted clean latents, x0 = x' - σ' d with d = (x' - x) / (σ' - σ).

        For flow matching d is the velocity; for EDM-style Euler (Karras et al. 2022,
        algorithm 1) it is (x - x0) / σ. Other schedulers show the latents as they are.
        """
        scheduler = self._pipeline.scheduler
        if before is None or type(scheduler).__name__ not in _EULER:
            return latents
        step = scheduler.step_index
        sigma, after = (float(scheduler.sigmas[i]) for i in (step - 1, step))
        slope = (latents.float() - before.float()) / (after - sigma)
        return (latents.float() - after * slope).to(latents.dtype)

    def _decode(self, latents: torch.Tensor) -> Image.Image:
        vae = self._pipeline.vae
        if latents.ndim == 3:  # packed in patches, as Flux does
            width, height = self._size
            latents = self._pipeline._unpack_latents(
                latents, height, width, self._pipeline.vae_scale_factor
            )
        longest = max(latents.shape[-2:])
        if longest > MAX_CELLS:
            latents = torch.nn.functional.interpolate(
                latents.float(), scale_factor=MAX_CELLS / longest, mode="area"
            )
        scale = getattr(vae.config, "scaling_factor", None) or 1.0
        shift = getattr(vae.config, "shift_factor", None) or 0.0
        with torch.inference_mode():
            pixels = vae.decode((latents / scale + shift).to(vae.dtype), return_dict=False)[0]
        if not pixels.isfinite().all():
            raise ValueError("NaN or infinite numbers")
        # -1 to 1, first of the batch, to 8-bit height x width x 3.
        levels = ((pixels[0].float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return Image.fromarray(levels.permute(1, 2, 0).cpu().numpy())
