"""Latents of every layout: a picture encoded as a pipeline carries it, and the way back."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from underpaint.contract.errors import InvalidRequest
from underpaint.engines.families.family import Layout

_PATCHES: Final = frozenset({Layout.PACKED, Layout.PATCHED})


class Latents:
    """The latents of one pipeline at one size."""

    def __init__(self, pipeline: Any, layout: Layout, size: tuple[int, int]) -> None:
        """Takes a pipeline with a `vae`, how its latents lie, and its working size in pixels."""
        self._autoencoder = pipeline.vae
        self._layout = layout
        self._size = size

    def encode(self, picture: Image.Image) -> torch.Tensor:
        """The latents of a picture, normalised and laid out as the denoiser sees them.

        Raises:
            InvalidRequest: the latents of this family have no known layout.
        """
        if self._layout in {Layout.OTHER, Layout.PIXELS}:
            raise InvalidRequest("this model cannot start from a picture: it has no known latents")
        autoencoder = self._autoencoder
        pixels = torch.from_numpy(np.asarray(picture.convert("RGB")).copy())
        pixels = (pixels.permute(2, 0, 1)[None].float() / 127.5 - 1).to(
            autoencoder.device, autoencoder.dtype
        )
        if _has_frames(autoencoder):
            pixels = pixels.unsqueeze(2)
        with torch.inference_mode():
            latents = _encoded(autoencoder.encode(pixels))
        if self._layout is Layout.PATCHED:
            mean, deviation = _of_batches(autoencoder)
            return _rows((_patched(latents) - mean) / deviation)
        mean, deviation = _statistics(autoencoder, latents)
        return self._laid_out((latents - mean) / deviation)

    def encode_mask(self, mask: Image.Image, latents: torch.Tensor) -> torch.Tensor:
        """1 for latents that are drawn anew and 0 for those that are kept, laid out as `latents`.

        A latent is drawn anew if anything below it is more white than black.
        """
        down, across = self._cells(latents)
        white = torch.from_numpy(np.asarray(mask.convert("L")).copy())[None, None] > 127
        cells = torch.nn.functional.adaptive_max_pool2d(white.float(), (down, across))
        if self._layout in _PATCHES:  # a patch of four latents is one place
            patches = torch.nn.functional.max_pool2d(cells, 2)
            return patches.flatten(2).transpose(1, 2).to(latents)
        return (cells.unsqueeze(2) if latents.ndim == 5 else cells).to(latents)

    def unpack(self, latents: torch.Tensor) -> torch.Tensor:
        """The latents as a map, batch x channels x height x width, still normalised.

        Those of FLUX.2 are a map of patches.
        """
        if self._layout is Layout.PACKED:
            down, across = self._cells(latents)
            count = latents.shape[-1] // 4
            rows = latents.view(len(latents), down // 2, across // 2, count, 2, 2)
            return rows.permute(0, 3, 1, 4, 2, 5).reshape(len(latents), count, down, across)
        if self._layout is Layout.PATCHED and latents.ndim == 3:
            down, across = (cells // 2 for cells in self._cells(latents))
            return latents.transpose(1, 2).reshape(len(latents), -1, down, across)
        return latents[:, :, 0] if latents.ndim == 5 else latents

    def decode(
        self, latents: torch.Tensor, most: int | None = None, autoencoder: Any = None
    ) -> Image.Image:
        """The picture of latents.

        Args:
            latents: as the pipeline carries them; of several pictures, the first is decoded.
            most: pixels a side, above which the latents are shrunk first, for a small picture.
            autoencoder: another one for the same latents, such as a TAESD, which takes them
                normalised.

        Raises:
            ValueError: their layout is not known, or they are not finite.
        """
        if self._layout is Layout.OTHER:
            raise ValueError("the latents have no known layout")
        grid = self.unpack(latents[:1])
        if self._layout is Layout.PIXELS:
            return _picture(self._at_most(grid, most))
        own = self._autoencoder
        if self._layout is Layout.PATCHED:
            mean, deviation = _of_batches(own)
            grid = _unpatched(grid * deviation + mean)
        grid = self._at_most(grid, most)
        if autoencoder is None:
            autoencoder = own
            if self._layout is not Layout.PATCHED:
                grid = grid.unsqueeze(2) if _has_frames(own) else grid
                mean, deviation = _statistics(own, grid)
                grid = grid * deviation + mean
        with torch.inference_mode():
            pixels = autoencoder.decode(
                grid.to(autoencoder.device, autoencoder.dtype), return_dict=False
            )[0]
        return _picture(pixels[:, :, 0] if pixels.ndim == 5 else pixels)

    def _laid_out(self, latents: torch.Tensor) -> torch.Tensor:
        if self._layout is Layout.FRAMES:
            return latents if latents.ndim == 5 else latents.unsqueeze(2)
        grid = latents[:, :, 0] if latents.ndim == 5 else latents
        return _rows(_patched(grid)) if self._layout is Layout.PACKED else grid

    def _at_most(self, grid: torch.Tensor, most: int | None) -> torch.Tensor:
        if most is None or max(self._size) <= most:
            return grid
        factor = most / max(self._size)
        size = [max(1, round(cells * factor)) for cells in grid.shape[-2:]]
        return torch.nn.functional.interpolate(grid.float(), size=size, mode="area")

    def _cells(self, latents: torch.Tensor) -> tuple[int, int]:
        """Latents down and across; those in rows of patches of four have lost their shape."""
        if latents.ndim > 3:
            return latents.shape[-2], latents.shape[-1]
        width, height = self._size
        side = (width * height / latents.shape[1]) ** 0.5  # of a patch, in pixels
        return 2 * round(height / side), 2 * round(width / side)


def _has_frames(autoencoder: Any) -> bool:
    """Whether it was made for video, and takes a picture as one of a single frame."""
    return any(name.startswith("temp") for name in autoencoder.config)


def _encoded(output: Any) -> torch.Tensor:
    if hasattr(output, "latent_dist"):
        mode: torch.Tensor = output.latent_dist.mode()
        return mode
    latents: torch.Tensor = output.latents if hasattr(output, "latents") else output.latent
    return latents


def _statistics(autoencoder: Any, latents: torch.Tensor) -> tuple[Any, Any]:
    """Mean and deviation of what it encodes: a number for all channels, or one for each."""
    config = autoencoder.config
    scale = config.get("scaling_factor") or 1.0
    means, deviations = config.get("latents_mean"), config.get("latents_std")
    if means is None or deviations is None:
        return config.get("shift_factor") or 0.0, 1 / scale
    shape = (1, -1, *[1] * (latents.ndim - 2))
    mean, deviation = (torch.tensor(each).view(shape).to(latents) for each in (means, deviations))
    return mean, deviation / scale


def _of_batches(autoencoder: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The same, as FLUX.2's autoencoder keeps it, in a batch norm over patches."""
    norm = autoencoder.bn
    mean = norm.running_mean.view(1, -1, 1, 1)
    return mean, (norm.running_var.view(1, -1, 1, 1) + autoencoder.config.batch_norm_eps).sqrt()


def _patched(grid: torch.Tensor) -> torch.Tensor:
    """Patches of 2 x 2 latents, each with four times the channels."""
    return torch.nn.functional.pixel_unshuffle(grid, 2)


def _unpatched(grid: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.pixel_shuffle(grid, 2)


def _rows(grid: torch.Tensor) -> torch.Tensor:
    """One patch after the other: batch x patches x channels."""
    return grid.flatten(2).transpose(1, 2).contiguous()


def _picture(pixels: torch.Tensor) -> Image.Image:
    if not pixels.isfinite().all():
        raise ValueError("NaN or infinite numbers")
    # -1 to 1, first of the batch, to 8-bit height x width x 3.
    levels = ((pixels[0].float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).cpu().numpy())
