"""True pictures damaged as drafts are, and more: what Full learns to mend.

Lite's drafts of a scene have its faults (parts dropped, colours bled, edges doubled, shapes bent)
only as often as Lite makes them. Here a number says how much is wrong, so that the noise that
drowns a draft can mean how much may be mended.
"""

from __future__ import annotations

import random

import torch
from torch import Tensor
from torch.nn import functional


def damage(picture: Tensor, much: float, rng: random.Random) -> Tensor:
    """The picture (3 × side × side, -1..1) with faults; `much` in 0..1 says how many, how grave.

    At 0 it comes back as it is, at 1 it has about four faults and is bent by a fifteenth.
    """
    made = picture[None]
    made = _bent(made, 0.03 * much * rng.uniform(0.3, 1), rng)
    for fault in (_dropped, _bled, _doubled, _dropped, _bled, _smeared):
        if rng.random() < 0.7 * much:
            made = fault(made, much, rng)
    return made[0].clamp(-1, 1)


def _spot(side: int, rng: random.Random, low: float, high: float) -> Tensor:
    """A soft ellipse somewhere around the middle, side × side, 0..1."""
    axis = torch.linspace(0, 1, side)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    wide, high = rng.uniform(low, high), rng.uniform(low, high)
    left, top = rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8)
    far = (((x - left) / wide) ** 2 + ((y - top) / high) ** 2).sqrt()
    return ((1.2 - far) / 0.4).clamp(0, 1)


def _noise(side: int, cells: int, rng: random.Random) -> Tensor:
    """Two smooth fields, 2 × side × side, around 0."""
    generator = torch.Generator().manual_seed(rng.randrange(1 << 31))
    rough = torch.randn(1, 2, cells, cells, generator=generator)
    return functional.interpolate(rough, size=(side, side), mode="bicubic")[0]


def _bent(picture: Tensor, by: float, rng: random.Random) -> Tensor:
    side = picture.shape[-1]
    axis = (torch.arange(side) + 0.5) / side * 2 - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    grid = torch.stack([x, y], dim=-1) + 2 * by * _noise(side, 5, rng).permute(1, 2, 0)
    return functional.grid_sample(picture, grid[None], padding_mode="border", align_corners=False)


def _dropped(picture: Tensor, much: float, rng: random.Random) -> Tensor:
    """A part is gone: in its place is what stands at the picture's border, blurred."""
    side = picture.shape[-1]
    frame = max(1, side // 16)
    corner = rng.choice(((0, 0), (0, -frame), (-frame, 0), (-frame, -frame)))
    rows, columns = (slice(at, at + frame if at + frame else None) for at in corner)
    empty = picture[..., rows, columns].mean(dim=(2, 3), keepdim=True)
    mask = _spot(side, rng, 0.03, 0.05 + 0.07 * much)
    return picture + (empty - picture) * mask


def _bled(picture: Tensor, much: float, rng: random.Random) -> Tensor:
    """A colour has run over its edge: a spot takes on the colour that stands elsewhere."""
    side = picture.shape[-1]
    row, column = rng.randrange(side), rng.randrange(side)
    colour = picture[..., row, column][..., None, None]
    mask = _spot(side, rng, 0.05, 0.08 + 0.12 * much)
    return picture + (colour - picture) * mask * rng.uniform(0.4, 0.8)


def _doubled(picture: Tensor, much: float, rng: random.Random) -> Tensor:
    """Two places at once: a second copy shines through, a little aside."""
    side = picture.shape[-1]
    shift = [
        round(rng.choice((-1, 1)) * side * rng.uniform(0.015, 0.02 + 0.04 * much)) for _ in "xy"
    ]
    pad = max(map(abs, shift))
    wide = functional.pad(picture, (pad,) * 4, mode="replicate")
    top, left = pad + shift[1], pad + shift[0]
    other = wide[..., top : top + side, left : left + side]
    return picture + (other - picture) * rng.uniform(0.25, 0.5)


def _smeared(picture: Tensor, much: float, rng: random.Random) -> Tensor:
    """A spot is out of focus: what stood close together ran into one."""
    side = picture.shape[-1]
    small = max(4, round(side / rng.uniform(3, 3 + 5 * much)))
    soft = functional.interpolate(picture, size=(small, small), mode="area")
    soft = functional.interpolate(soft, size=(side, side), mode="bicubic", align_corners=False)
    return picture + (soft - picture) * _spot(side, rng, 0.1, 0.2 + 0.2 * much)
