"""A picture with an edge and a flat ground."""

from __future__ import annotations

import numpy as np
from PIL import Image


def drawing(width: int, height: int) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    disc = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 3) ** 2
    pixels = np.where(disc[..., None], (200, 60, 40), (30, 90, 160)).astype(np.uint8)
    return Image.fromarray(pixels)
