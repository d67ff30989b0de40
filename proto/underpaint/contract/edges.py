"""An edge map of a draft, made on the artist's machine: the structure of a picture without it.

White lines on black, as the ControlNets for Canny maps take them.
"""

from __future__ import annotations

import io
from typing import Final

from PIL import Image, ImageChops, ImageFilter
from underpaint.contract.pictures import decode

EDGES: Final = "edges"  # the kind of such a control map
# Canny's usual thresholds, 100 and 200 of at most 1,020, in a gradient of at most 255; a little
# lower, because drafts are softer than photographs.
_WEAK: Final = 16
_STRONG: Final = 40
_BLUR: Final = 1.0  # pixels
# How far weak pixels follow a line from a strong one.
_REACH: Final = 64  # pixels
# |x| : |y| of a gradient from which it is a diagonal one: the tangent of 22.5 degrees.
_DIAGONAL: Final = 0.4142

_SOBEL_X: Final = (-1, 0, 1, -2, 0, 2, -1, 0, 1)
_SOBEL_Y: Final = (1, 2, 1, 0, 0, 0, -1, -2, -1)  # Pillow takes the lowest row first


def edge_map(picture: bytes) -> bytes:
    """The edges of an encoded picture, as a grey PNG of the same size.

    Raises:
        InvalidRequest: it is not a picture.
    """
    out = io.BytesIO()
    draw_edges(decode(picture)).save(out, "PNG")
    return out.getvalue()


def draw_edges(image: Image.Image) -> Image.Image:
    """The edges of a picture by Canny's method: thin white lines on black, mode L."""
    soft = image.convert("RGB").filter(ImageFilter.GaussianBlur(_BLUR))
    # At each pixel the channel counts that changes most: a red thing on green of the same
    # brightness has edges, too.
    (right, left, down, up), size = _gradient(soft.getchannel(0))
    for channel in (1, 2):
        parts, theirs = _gradient(soft.getchannel(channel))
        larger = _where(ImageChops.subtract(theirs, size))
        right, left, down, up = (
            Image.composite(new, old, larger)
            for new, old in zip(parts, (right, left, down, up), strict=True)
        )
        size = ImageChops.lighter(size, theirs)
    across, along = ImageChops.add(right, left), ImageChops.add(down, up)
    # On each diagonal the two parts of a gradient have the same sign, or opposite ones.
    same = ImageChops.lighter(ImageChops.darker(right, down), ImageChops.darker(left, up))
    other = ImageChops.lighter(ImageChops.darker(right, up), ImageChops.darker(left, down))
    ridge = Image.composite(
        _ridge(size, 1, 0), _ridge(size, 0, 1), _where(ImageChops.subtract(across, along))
    )
    least, most = ImageChops.darker(across, along), ImageChops.lighter(across, along)
    diagonal = _where(ImageChops.subtract(least, most.point(lambda value: value * _DIAGONAL)))
    slanted = Image.composite(
        _ridge(size, 1, 1), _ridge(size, 1, -1), _where(ImageChops.subtract(same, other))
    )
    thin = ImageChops.darker(size, Image.composite(slanted, ridge, diagonal))
    return _framed(_followed(_from(thin, _STRONG), _from(thin, _WEAK)))


def _gradient(grey: Image.Image) -> tuple[tuple[Image.Image, ...], Image.Image]:
    """Where a channel rises and falls, across and along, and how much it changes altogether."""
    right, left = _slope(grey, _SOBEL_X)
    down, up = _slope(grey, _SOBEL_Y)
    across, along = ImageChops.add(right, left), ImageChops.add(down, up)
    # Close to the root of the squares, which Pillow cannot take.
    either = ImageChops.add(across.point(_root_half), along.point(_root_half))
    size = ImageChops.lighter(ImageChops.lighter(across, along), either)
    return (right, left, down, up), size


def _slope(grey: Image.Image, kernel: tuple[int, ...]) -> tuple[Image.Image, Image.Image]:
    """A gradient in one direction: where it rises, and where it falls."""
    falls = tuple(-each for each in kernel)
    rising = grey.filter(ImageFilter.Kernel((3, 3), kernel, scale=4))
    return rising, grey.filter(ImageFilter.Kernel((3, 3), falls, scale=4))


def _ridge(size: Image.Image, across: int, down: int) -> Image.Image:
    """White where a gradient is largest along a direction."""
    before = ImageChops.offset(size, across, down)
    after = ImageChops.offset(size, -across, -down)
    above = _where(ImageChops.subtract(size, after))
    below = ImageChops.invert(_where(ImageChops.subtract(before, size)))
    return ImageChops.darker(above, below)


def _followed(strong: Image.Image, weak: Image.Image) -> Image.Image:
    """Strong pixels, and the weak ones that are connected with them."""
    for _ in range(_REACH):
        grown = ImageChops.darker(strong.filter(ImageFilter.MaxFilter(3)), weak)
        if grown.tobytes() == strong.tobytes():
            break
        strong = grown
    return strong


def _framed(lines: Image.Image) -> Image.Image:
    """Without the outermost pixels, which a gradient does not know."""
    framed = Image.new("L", lines.size)
    inner = (2, 2, lines.width - 2, lines.height - 2)
    framed.paste(lines.crop(inner), inner)
    return framed


def _where(image: Image.Image) -> Image.Image:
    """White where a picture is not black."""
    return _from(image, 1)


def _from(image: Image.Image, least: int) -> Image.Image:
    return image.point(lambda value: 255 if value >= least else 0)


def _root_half(value: float) -> float:
    return value * 0.7071
