"""A draft and the size of its result: the size that keeps its shape, and what to do if none does.

Sizes are (width, height) in pixels.
"""

from __future__ import annotations

import math
from typing import Final

from PIL import Image
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.generation import MAX_SIDE, MIN_SIDE, SIDE_MULTIPLE, Fit

Size = tuple[int, int]
_EASY: Final = 32  # numbers of a ratio up to which it says more than the sizes


def result_size(asked: Size, draft: Size, native: Size) -> Size:
    """The size of a result; what was left open follows from the draft's shape.

    Args:
        asked: zero is left open.
        draft: of the picture to start from.
        native: as many pixels are made if nothing was asked.
    """
    width, height = asked
    if width and height:
        return asked
    ratio = draft[0] / draft[1]
    if width:
        return width, _side(width / ratio)
    if height:
        return _side(height * ratio), height
    root = math.sqrt(native[0] * native[1])
    sides = root * math.sqrt(ratio), root / math.sqrt(ratio)
    shrink = min(1.0, MAX_SIDE / max(sides))
    return _side(sides[0] * shrink), _side(sides[1] * shrink)


def explain_fit(draft: Size, result: Size, fit: Fit) -> str:
    """What happens to a draft in a result of another shape, in words; empty if nothing does.

    Raises:
        InvalidRequest: the shapes differ and `fit` refuses that.
    """
    if alike(draft, result):
        return ""
    shapes = f"the draft is {_shape(draft)}, the result {_shape(result)}"
    if fit is Fit.REFUSE:
        width, height = result_size((0, 0), draft, result)
        raise InvalidRequest(
            f"{shapes}, and fit is 'refuse'; ask for {width} x {height}, or for fit 'crop' or 'pad'"
        )
    wide = draft[0] * result[1] > draft[1] * result[0]
    if fit is Fit.CROP:
        left, top, _, _ = _inner(draft, result)
        where = "left and right" if wide else "at top and bottom"
        return f"{shapes}: of the draft, {round(left or top)} pixels {where} are cropped"
    across, down = _outer(draft, result)
    where = "at top and bottom" if wide else "left and right"
    added = round(max(across - draft[0], down - draft[1]) / 2)
    return f"{shapes}: to the draft, {added} pixels {where} are added in the colours of its edges"


def fitted(image: Image.Image, shape: Size, size: Size, fit: Fit) -> Image.Image:
    """A draft in the shape of its result, without distortion.

    Args:
        image: RGB.
        shape: of the result.
        size: to make of it; may differ from the shape by some rounding.
        fit: what to do with what does not fit.

    Raises:
        InvalidRequest: the shapes differ and `fit` refuses that.
    """
    explain_fit(image.size, shape, fit)
    if fit is Fit.PAD and not alike(image.size, shape):
        return _padded(image, shape, size)
    return image.resize(size, Image.Resampling.LANCZOS, box=_inner(image.size, shape))


def _side(length: float) -> int:
    rounded = round(length / SIDE_MULTIPLE) * SIDE_MULTIPLE
    return min(max(rounded, MIN_SIDE), MAX_SIDE)


def alike(draft: Size, result: Size) -> bool:
    """Whether the shapes are the same but for a side's rounding to what engines take."""
    across, down = draft[0] * result[1] / draft[1], draft[1] * result[0] / draft[0]
    return abs(result[0] - across) < SIDE_MULTIPLE or abs(result[1] - down) < SIDE_MULTIPLE


def _inner(size: Size, shape: Size) -> tuple[float, float, float, float]:
    """The largest box of a shape in the middle of a picture: left, top, right, bottom."""
    across = min(size[0], size[1] * shape[0] / shape[1])
    down = min(size[1], size[0] * shape[1] / shape[0])
    left, top = (size[0] - across) / 2, (size[1] - down) / 2
    return left, top, left + across, top + down


def _outer(size: Size, shape: Size) -> tuple[int, int]:
    """The smallest size of a shape that holds a picture."""
    across = max(size[0], round(size[1] * shape[0] / shape[1]))
    down = max(size[1], round(size[0] * shape[1] / shape[0]))
    return across, down


def _padded(image: Image.Image, shape: Size, size: Size) -> Image.Image:
    """The picture in the middle, its outermost rows or columns repeated to the border."""
    outer = _outer(image.size, shape)
    width, height = (
        max(1, round(made * inside / whole))
        for made, inside, whole in zip(size, image.size, outer, strict=True)
    )
    image = image.resize((width, height), Image.Resampling.LANCZOS)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    right, bottom = size[0] - width - left, size[1] - height - top
    padded = Image.new("RGB", size)
    padded.paste(image, (left, top))
    edges = (
        ((0, 0, 1, height), (left, height), (0, top)),
        ((width - 1, 0, width, height), (right, height), (left + width, top)),
        ((0, 0, width, 1), (width, top), (left, 0)),
        ((0, height - 1, width, height), (width, bottom), (left, top + height)),
    )
    for edge, filled, place in edges:
        if all(filled):
            padded.paste(image.crop(edge).resize(filled), place)
    return padded


def _shape(size: Size) -> str:
    """Such as "2:1 (192 x 96)"."""
    width, height = (side // math.gcd(*size) for side in size)
    named = f"{size[0]} x {size[1]}"
    return f"{width}:{height} ({named})" if max(width, height) <= _EASY else named
