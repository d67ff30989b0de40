"""Latents of every layout: a picture encoded as a pipeline carries it, and the way back."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from underpaint.contract.errors import InvalidRequest
from underpaint.engines.families.family import Layout

_PATCHES: Final = frozenset({Layout.PACKED, Layout.PATCHED, Layout.PATCHED_LAST})
_TAKES: Final = ("input_channels", "in_channels")  # what autoencoders call a picture's channels
# Normalised by the batch norm of FLUX.2's autoencoder.
_BY_BATCHES: Final = frozenset({Layout.PATCHED, Layout.PATCHED_LAST, Layout.PATCHED_MAP})


class Latents:
    """The latents of one pipeline at one size."""

    def __init__(
        self, pipeline: Any, layout: Layout, size: tuple[int, int], autoencoder: str = "vae"
    ) -> None:
        """Takes a pipeline.

        Args:
            pipeline: of diffusers.
            layout: how its latents lie.
            size: its working size in pixels.
            autoencoder: the name of that component.
        """
        self._autoencoder: Any = getattr(pipeline, autoencoder, None)
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
        # Qwen-Image 2.1 encodes pictures with how opaque they are.
        mode = "RGBA" if 4 in map(autoencoder.config.get, _TAKES) else "RGB"
        pixels = torch.from_numpy(np.asarray(picture.convert("RGB").convert(mode)).copy())
        pixels = (pixels.permute(2, 0, 1)[None].float() / 127.5 - 1).to(
            autoencoder.device, autoencoder.dtype
        )
        if _has_frames(autoencoder):
            pixels = pixels.unsqueeze(2)
        with torch.inference_mode():
            latents = _encoded(autoencoder.encode(pixels))
        if self._layout in _BY_BATCHES:
            mean, deviation = _of_batches(autoencoder)
            grid = latents[:, :, 0] if latents.ndim == 5 else latents
            patches = (_patched(grid, self._layout is Layout.PATCHED_LAST) - mean) / deviation
            return patches if self._layout is Layout.PATCHED_MAP else _rows(patches)
        mean, deviation = self._statistics(autoencoder, latents)
        return self._laid_out((latents - mean) / deviation)

    def encode_mask(self, mask: Image.Image, latents: torch.Tensor) -> torch.Tensor:
        """1 for latents that are drawn anew and 0 for those that are kept, laid out as `latents`.

        A latent is drawn anew if anything below it is more white than black.
        """
        down, across = self._cells(latents)
        if self._layout is Layout.FRAMES_LAST:
            down, across = latents.shape[2:4]
        white = torch.from_numpy(np.asarray(mask.convert("L")).copy())[None, None] > 127
        cells = torch.nn.functional.adaptive_max_pool2d(white.float(), (down, across))
        if self._layout in _PATCHES:  # a patch of four latents is one place
            patches = torch.nn.functional.max_pool2d(cells, 2)
            return patches.flatten(2).transpose(1, 2).to(latents)
        if self._layout is Layout.ROWS:
            return _rows(cells).to(latents)
        if self._layout is Layout.FRAMES_LAST:
            return cells[:, 0, None, :, :, None].to(latents)
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
        if latents.ndim == 3:
            size = self._cells(latents)
            down, across = size if self._layout is Layout.ROWS else (each // 2 for each in size)
            return latents.transpose(1, 2).reshape(len(latents), -1, down, across)
        if self._layout is Layout.FRAMES_LAST:
            return latents[:, 0].permute(0, 3, 1, 2)
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
        if self._layout in _BY_BATCHES:
            mean, deviation = _of_batches(own)
            grid = _unpatched(grid * deviation + mean, self._layout is Layout.PATCHED_LAST)
        grid = self._at_most(grid, most)
        if autoencoder is None:
            autoencoder = own
            if self._layout not in _BY_BATCHES:
                grid = grid.unsqueeze(2) if _has_frames(own) else grid
                mean, deviation = self._statistics(own, grid)
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
        if self._layout is Layout.FRAMES_LAST:
            return grid.permute(0, 2, 3, 1).unsqueeze(1)
        if self._layout is Layout.ROWS:
            return _rows(grid)
        return _rows(_patched(grid)) if self._layout is Layout.PACKED else grid

    def _statistics(self, autoencoder: Any, latents: torch.Tensor) -> tuple[Any, Any]:
        """Mean and deviation of what it encodes: a number for all channels, or one for each."""
        config = autoencoder.config
        scale = config.get("scaling_factor") or 1.0
        means, deviations = config.get("latents_mean"), config.get("latents_std")
        if self._layout is Layout.FRAMES_LAST:  # Kandinsky 5 takes FLUX.1's without its shift
            return 0.0, 1 / scale
        if means is None or deviations is None:
            return config.get("shift_factor") or 0.0, 1 / scale
        shape = (1, -1, *[1] * (latents.ndim - 2))
        mean, deviation = (
            torch.tensor(each).view(shape).to(latents) for each in (means, deviations)
        )
        return mean, deviation / scale

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
        if self._layout is Layout.ROWS:
            return round(height / side), round(width / side)
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


def _of_batches(autoencoder: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The same, as FLUX.2's autoencoder keeps it, in a batch norm over patches."""
    norm = autoencoder.bn
    mean = norm.running_mean.view(1, -1, 1, 1)
    return mean, (norm.running_var.view(1, -1, 1, 1) + autoencoder.config.batch_norm_eps).sqrt()


def _patched(grid: torch.Tensor, last: bool = False) -> torch.Tensor:
    """Patches of 2 x 2 latents, each with four times the channels: those first, or last."""
    patches = torch.nn.functional.pixel_unshuffle(grid, 2)
    return patches.unflatten(1, (-1, 4)).transpose(1, 2).flatten(1, 2) if last else patches


def _unpatched(patches: torch.Tensor, last: bool = False) -> torch.Tensor:
    if last:
        patches = patches.unflatten(1, (4, -1)).transpose(1, 2).flatten(1, 2)
    return torch.nn.functional.pixel_shuffle(patches, 2)


def _rows(grid: torch.Tensor) -> torch.Tensor:
    """One patch after the other: batch x patches x channels."""
    return grid.flatten(2).transpose(1, 2).contiguous()


def _picture(pixels: torch.Tensor) -> Image.Image:
    if not pixels.isfinite().all():
        raise ValueError("NaN or infinite numbers")
    # -1 to 1, first of the batch, to 8-bit height x width x 3.
    levels = ((pixels[0, :3].float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).cpu().numpy())
