"""Sizes in pixels: the native one of a checkpoint, and the one to work at for a request."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from underpaint.engines.families.family import Checkpoint, Family


def vae_scale(checkpoint: Checkpoint, *components: str) -> int:
    """By how much the autoencoder divides each side."""
    config = checkpoint.config(*components or ("vae", "movq", "vqgan"))
    blocks = config.get("block_out_channels") or config.get("encoder_block_out_channels")
    return int(2 ** (len(blocks) - 1)) if isinstance(blocks, list | tuple) else 8


def by_sample_size(checkpoint: Checkpoint) -> tuple[int, int]:
    """The native size that the denoiser's configuration tells in latent cells."""
    sample = checkpoint.config("transformer", "unet").get("sample_size") or 64
    height, width = sample if isinstance(sample, list | tuple) else (sample, sample)
    scale = vae_scale(checkpoint)
    return int(width) * scale, int(height) * scale


def working_size(
    wanted: tuple[int, int], native: tuple[int, int], multiple: int, longest: int | None = None
) -> tuple[int, int]:
    """The size to denoise at: the wanted shape at the native area.

    Args:
        wanted: width and height.
        native: width and height.
        multiple: that both sides must be of.
        longest: the most for a side, if there is a limit.
    """
    root = math.sqrt(wanted[0] / wanted[1])
    side = math.sqrt(native[0] * native[1])
    across, down = side * root, side / root
    if longest:
        shrink = min(1.0, longest / max(across, down))
        across, down = across * shrink, down * shrink
    return nearest((across, down), multiple)


def nearest(size: tuple[float, float], multiple: int) -> tuple[int, int]:
    """The nearest size of which both sides are a multiple."""
    across, down = (max(1, round(side / multiple)) * multiple for side in size)
    return across, down


def of_area(wanted: tuple[int, int], side: int, multiple: int) -> tuple[int, int]:
    """The size of a wanted shape that a pipeline keeps which scales every size to one area.

    Args:
        wanted: width and height.
        side: the root of the area.
        multiple: to which both sides are rounded down.
    """
    size, before = wanted, (0, 0)
    while size != before:
        before = size
        root = math.sqrt(side * side / (size[0] * size[1]))
        across, down = (max(1, int(each * root // multiple)) * multiple for each in size)
        size = across, down
    return size


def multiple_of(family: Family, denoiser: Mapping[str, Any], scale: int) -> int:
    """What both sides of a picture must be a multiple of.

    Args:
        family: of the model.
        denoiser: its configuration.
        scale: by how much the autoencoder divides each side.
    """
    patch = denoiser.get("patch_size") or 1
    return math.lcm(family.multiple, scale * (patch if isinstance(patch, int) else 1))


def longest_side(denoiser: Mapping[str, Any], scale: int) -> int | None:
    """The longest side of a transformer that has a table of positions."""
    table = denoiser.get("pos_embed_max_size")
    return table * (denoiser.get("patch_size") or 1) * scale if table else None
