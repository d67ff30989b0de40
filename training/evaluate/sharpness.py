"""How sharp pictures are, beside true ones of the same scenes and the same size.

Pictures are float tensors n × 3 × side × side in -1..1. All but the slope need no common size, but
are only worth comparing at one: a picture that is enlarged has fewer steep places.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

BINS = 512
LIGHTNESS = (0.299, 0.587, 0.114)
STEEPEST = 2**0.5
"""Of a step from black to white along both axes; lightness is in 0..1 here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharpness:
    """Of a set of pictures.

    `energy`: mean square of the gradient of lightness. `steep`: its 99th percentile.
    `slope`: of the logarithm of the spectrum's power against that of the frequency, from a
    sixteenth of the finest frequency to the finest. `histogram`: shares of gradient magnitudes.
    """

    energy: float
    steep: float
    slope: float
    histogram: Tensor

    def distance(self, true: Sharpness) -> float:
        """How far the histogram of gradients is to be moved, as a share of the true mean."""
        centres = (torch.arange(BINS) + 0.5) / BINS * STEEPEST
        moved = (self.histogram.cumsum(0) - true.histogram.cumsum(0)).abs().sum()
        return (moved * STEEPEST / BINS / (true.histogram * centres).sum()).item()


def gradients(pictures: Tensor) -> Tensor:
    """Magnitudes of the gradient of lightness, n × (side - 1)²."""
    weights = torch.tensor(LIGHTNESS).view(1, 3, 1, 1)
    light = ((pictures.float() + 1) / 2 * weights).sum(dim=1)
    across = light[:, :-1].diff(dim=-1)
    down = light[..., :-1].diff(dim=-2)
    return (across.square() + down.square()).sqrt()


def slope(pictures: Tensor) -> float:
    """Of the mean spectrum: about -2 where there are sharp edges, steeper where they are soft."""
    weights = torch.tensor(LIGHTNESS).view(1, 3, 1, 1)
    light = (pictures.float() * weights).sum(dim=1)
    side = light.shape[-1]
    window = torch.hann_window(side)
    light = (light - light.mean(dim=(1, 2), keepdim=True)) * window[:, None] * window
    power = torch.fft.rfft2(light).abs().square().mean(dim=0)
    rows = torch.fft.fftfreq(side)[:, None].abs()
    radius = (rows.square() + torch.fft.rfftfreq(side).square()).sqrt() * side
    rings = radius.round().long().flatten()
    total = torch.zeros(int(rings.max()) + 1).index_add(0, rings, power.flatten())
    mean = total / rings.bincount().clamp(min=1)
    low, high = side // 32, side // 2
    x = torch.arange(low, high).log()
    y = mean[low:high].clamp(min=1e-12).log()
    x = x - x.mean()
    return float((x * (y - y.mean())).sum() / x.square().sum())


def sharpness(pictures: Iterable[Tensor], side: int) -> Sharpness:
    """Of pictures (1 × 3 × h × w each), all brought to one size first."""
    histogram = torch.zeros(BINS)
    energies, slopes = [], []
    for picture in pictures:
        seen = picture
        if seen.shape[-1] != side:
            seen = functional.interpolate(
                seen, size=(side, side), mode="bicubic", antialias=True
            ).clamp(-1, 1)
        steep = gradients(seen)
        energies.append(steep.square().mean().item())
        slopes.append(slope(seen))
        histogram += torch.histc(steep, BINS, 0, STEEPEST)
    if not energies:
        raise ValueError("there are no pictures to measure")
    histogram = histogram / histogram.sum()
    place = int((histogram.cumsum(0) >= 0.99).nonzero()[0, 0])
    return Sharpness(
        energy=sum(energies) / len(energies),
        steep=(place + 0.5) / BINS * STEEPEST,
        slope=sum(slopes) / len(slopes),
        histogram=histogram,
    )
