"""Measures of pictures that need no judge: masks, their overlap, colours, distances of features.

Pictures are float tensors n × 3 × side × side in -1..1; masks are bool n × side × side.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SIDE = 128
"""Pixels along the side at which structure and colour are compared: Lite's own size."""
FRAME = 0.06
"""Share of the side that the frame around the picture takes: there the background shows."""
APART = 0.2
"""How far, of 2, some channel of the foreground is from the background. With it the masks of true
renders overlap their cut-outs by 0.95 in the median; what has the background's colour is lost."""
ALIKE = 0.35
"""How far, of 2, no channel of a pixel is from the background if it has taken on its colour."""
RIM = 2
"""Pixels along a thing's outline that are left out of its colours: there the two blend."""


def at_side(pictures: Tensor, side: int = SIDE) -> Tensor:
    """The pictures at a common size."""
    if pictures.shape[-1] == side:
        return pictures
    return functional.interpolate(pictures, size=(side, side), mode="bilinear", antialias=True)


def background(pictures: Tensor) -> Tensor:
    """The background that stands behind each picture, guessed from its frame; same shape.

    The world's backgrounds are one colour under a soft light: a quadratic in x and y, fitted to
    the frame again and again without what differs most, for a thing may reach into it.
    """
    count, channels, side, _ = pictures.shape
    axis = torch.linspace(-1, 1, side)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    terms = torch.stack([torch.ones_like(x), x, y, x * x, y * y], dim=-1)
    width = max(1, round(side * FRAME))
    frame = torch.ones(side, side, dtype=torch.bool)
    frame[width:-width, width:-width] = False
    rows, seen = terms[frame], pictures[..., frame].transpose(1, 2)
    weights = torch.ones(count, len(rows), 1)
    for _ in range(4):
        squares = rows.T @ (weights * rows) + 1e-4 * torch.eye(terms.shape[-1])
        fitted = torch.linalg.solve(squares, rows.T @ (weights * seen))
        apart = (rows @ fitted - seen).abs().amax(dim=-1, keepdim=True)
        weights = (apart <= 1.5 * apart.median(dim=1, keepdim=True).values + 0.02).float()
    shown: Tensor = (terms.flatten(0, 1) @ fitted).transpose(1, 2)
    return shown.reshape(count, channels, side, side)


def foreground(pictures: Tensor) -> Tensor:
    """Masks of what differs from the background that the frame of the picture shows."""
    return (pictures - background(pictures)).abs().amax(dim=1) > APART


def overlap(some: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of masks, n; 0 where both are empty."""
    both = (some & others).sum(dim=(1, 2))
    either = (some | others).sum(dim=(1, 2))
    return both / either.clamp(min=1)


def boxes(masks: Tensor) -> Tensor:
    """Where the foreground is: n × 4 of left, top, right, bottom in 0..1.

    A hundredth of it on every side is left out, so that a speck does not make the box. The box of
    an empty mask is (0, 0, 1, 1).
    """
    ends = []
    for axis in (1, 2):  # summed over rows: columns are left
        share = masks.float().sum(dim=axis).cumsum(dim=1)
        share = share / share[:, -1:].clamp(min=1)
        side = share.shape[1]
        ends.append(((share < 0.01).sum(dim=1) / side, 1 - (share > 0.99).sum(dim=1) / side))
    (left, right), (top, bottom) = ends
    found = torch.stack([left, top, right, bottom], dim=1)
    nowhere = torch.tensor([0.0, 0.0, 1.0, 1.0])
    return torch.where(masks.any(dim=(1, 2))[:, None], found, nowhere)


def filled(masks: Tensor) -> Tensor:
    """The masks without holes: also what has foreground above, below, left and right of it."""
    inside = torch.ones_like(masks)
    counts = masks.int()
    for axis in (1, 2):
        before = counts.cumsum(dim=axis)
        inside &= (before > 0) & (before - counts < before.amax(dim=axis, keepdim=True))
    return inside


def bleeding(pictures: Tensor, backdrops: Tensor) -> Tensor:
    """Share of each thing's pixels that have the colour of the background behind them, n.

    `backdrops`: the asked background of each picture, n × 3 × side × side in -1..1. The thing is
    the foreground with its holes filled, without its rim; no thing has a share of 0. What a true
    render has of this (holes, things of the background's own colour) is to be subtracted.
    """
    things = filled(foreground(pictures)).float()[:, None]
    inner = -functional.max_pool2d(-things, 2 * RIM + 1, stride=1, padding=RIM)
    alike = (pictures - backdrops).abs().amax(dim=1, keepdim=True) <= ALIKE
    return (inner * alike).sum(dim=(1, 2, 3)) / inner.sum(dim=(1, 2, 3)).clamp(min=1)


def kernel_distance(made: Tensor, true: Tensor) -> float:
    """Squared maximum mean discrepancy of features, both n × d in the same order of contents.

    The polynomial kernel (x·y / d + 1)³ of the kernel inception distance. Picture i of both sets
    shows the same scene; leaving out i against i everywhere keeps the estimate unbiased in spite
    of that, and what the scenes have in common cancels. It can come out below 0.

    Raises:
        ValueError: fewer than two pictures, or not as many of both.
    """
    count, width = made.shape
    if count < 2 or len(true) != count:
        raise ValueError(f"two sets of one size, at least 2, are needed; not {count}, {len(true)}")

    def mean(some: Tensor, others: Tensor) -> Tensor:
        kernel = (some.double() @ others.double().T / width + 1) ** 3
        return (kernel.sum() - kernel.diagonal().sum()) / (count * (count - 1))

    return (mean(made, made) + mean(true, true) - 2 * mean(made, true)).item()
