"""Pictures as latents, in the layout of a family.

Families pack their latents in different ways. Which it is, is told by the shape of the noise that
the pipeline itself has made.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from PIL import Image
from underpaint.engines.families.family import Family, Layout


def encode(picture: Image.Image, pipeline: Any, family: Family, like: torch.Tensor) -> torch.Tensor:
    """The latents of a picture, as clean as the pipeline would decode them.

    Args:
        picture: RGB, of the working size.
        pipeline: with the autoencoder.
        family: of the model.
        like: latents that the pipeline has made, which tell the layout.

    Raises:
        ValueError: the layout is not known.
    """
    levels = torch.from_numpy(np.asarray(picture, dtype=np.float32)) / 127.5 - 1
    pixels = levels.permute(2, 0, 1)[None]
    coder = getattr(pipeline, family.autoencoder, None)
    if family.layout is Layout.PIXELS or coder is None:
        return arranged(pixels.to(like.device), like, family)
    parameter = next(coder.parameters())
    pixels = pixels.to(device=like.device, dtype=parameter.dtype)
    if any(each.ndim == 5 for each in coder.parameters()):  # made for video: one frame
        pixels = pixels.unsqueeze(2)
    encoded = coder.encode(pixels)
    for name in ("latent_dist", "latents", "latent"):
        if hasattr(encoded, name):
            encoded = getattr(encoded, name)
            break
    latents = encoded.mode() if hasattr(encoded, "mode") else encoded
    latents = latents.float().reshape(1, -1, *latents.shape[-2:])  # without the frame
    return arranged(_normalised(latents, coder, family), like, family)


def arranged(spatial: torch.Tensor, like: torch.Tensor, family: Family) -> torch.Tensor:
    """Channels x height x width in the layout that other latents have.

    Raises:
        ValueError: the layout is not known.
    """
    if like.ndim == 3:
        patch = math.isqrt(max(1, like.shape[2] // spatial.shape[1]))
        spatial = patched(spatial, patch, last=family.channels_last)
        tokens = spatial.flatten(2).transpose(1, 2)
    elif like.ndim == 5 and like.shape[-1] == spatial.shape[1]:  # frames, then channels last
        tokens = spatial.permute(0, 2, 3, 1).unsqueeze(1)
    elif like.ndim == 5:
        tokens = spatial.unsqueeze(2)
    else:
        patch = math.isqrt(max(1, like.shape[1] // spatial.shape[1]))
        tokens = patched(spatial, patch)
    if tokens.shape != like.shape:
        raise ValueError(
            f"its latents have the shape {tuple(like.shape)}, not {tuple(tokens.shape)}"
        )
    return tokens.to(device=like.device, dtype=like.dtype)


def patched(spatial: torch.Tensor, patch: int, *, last: bool = False) -> torch.Tensor:
    """Patches of cells become channels: in the order channels, rows, columns, or channels last."""
    if patch == 1:
        return spatial
    batch, channels, height, width = spatial.shape
    parts = spatial.reshape(batch, channels, height // patch, patch, width // patch, patch)
    order = (0, 3, 5, 1, 2, 4) if last else (0, 1, 3, 5, 2, 4)
    return parts.permute(*order).reshape(
        batch, channels * patch * patch, height // patch, width // patch
    )


def _normalised(latents: torch.Tensor, coder: Any, family: Family) -> torch.Tensor:
    config = coder.config
    if family.layout is Layout.PATCHED:  # FLUX.2's autoencoder has a batch norm for its patches
        latents = patched(latents, 2, last=family.channels_last)
        mean, variance = coder.bn.running_mean, coder.bn.running_var
        deviation = (variance + config.batch_norm_eps).sqrt()
        normal: torch.Tensor = (latents - mean.view(1, -1, 1, 1)) / deviation.view(1, -1, 1, 1)
        return normal
    mean, std = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
    if mean is not None and std is not None:
        shape = (1, -1, 1, 1)
        latents = latents - torch.tensor(mean, device=latents.device).view(shape)
        return latents / torch.tensor(std, device=latents.device).view(shape)
    shift = getattr(config, "shift_factor", None) or 0.0
    return (latents - shift) * (getattr(config, "scaling_factor", None) or 1.0)


def mask_like(
    mask: Image.Image, size: tuple[int, int], scale: int, like: torch.Tensor, family: Family
) -> torch.Tensor:
    """A mask in the layout of latents: 1 is drawn anew, 0 is kept.

    Args:
        mask: grey, of the working size.
        size: width and height in pixels.
        scale: pixels a side of a cell.
        like: latents that the pipeline has made.
        family: of the model.
    """
    across, down = size[0] // scale, size[1] // scale
    levels = torch.from_numpy(np.asarray(mask, dtype=np.float32)).to(like.device) / 255
    # A cell that is touched is drawn anew, so that no edge of the mask keeps the old.
    cells = torch.nn.functional.adaptive_max_pool2d(levels[None, None], (down, across))
    tokens = like.shape[1:].numel() // (across * down)
    return arranged(cells.expand(1, tokens, down, across), like, family)
