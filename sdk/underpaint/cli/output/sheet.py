"""Combined pictures: a contact sheet of drafts, and the story from the drafts to the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont

_PAPER: Final = (247, 245, 240)
_INK: Final = (38, 36, 33)
_FAINT: Final = (128, 122, 112)
_ACCENT: Final = (201, 84, 47)
_GAP: Final = 20
_MARGIN: Final = 36
_CORNER: Final = 10

Tile = tuple[Image.Image, str]


def contact_sheet(
    title: str, tiles: Sequence[Tile], *, columns: int = 4, side: int = 256, chosen: int = -1
) -> Image.Image:
    """Captioned pictures in rows, the chosen one framed.

    Args:
        title: above the first row.
        tiles: pictures and their captions.
        columns: pictures a row.
        side: pixels of each picture.
        chosen: index of the one to frame; none if out of range.
    """
    grid = _grid(tiles, columns=columns, side=side, chosen=chosen)
    top = _MARGIN + 52
    page = Image.new("RGB", (grid.width + 2 * _MARGIN, grid.height + top + _MARGIN), _PAPER)
    page.paste(grid, (_MARGIN, top))
    draw = ImageDraw.Draw(page)
    draw.text((_MARGIN, _MARGIN - 8), _fit(title, _font(28), grid.width), _INK, _font(28))
    return page


def story(
    title: str,
    tiles: Sequence[Tile],
    chosen: int,
    final: Tile,
    *,
    captions: tuple[str, str],
) -> Image.Image:
    """Drafts on the left, an arrow from the chosen one, the finished picture on the right.

    Args:
        title: the prompt.
        tiles: drafts and their captions.
        chosen: index of the one that was promoted.
        final: the finished picture and its caption.
        captions: what stands above each side.
    """
    columns, side = 2 if len(tiles) <= 4 else 4, 168
    grid = _grid(tiles, columns=columns, side=side, chosen=chosen)
    height = max(grid.height, 440)
    finished = _rounded(final[0].resize((height, height), Image.Resampling.LANCZOS), _CORNER)
    arrow, top = 88, _MARGIN + 88
    width = 2 * _MARGIN + grid.width + arrow + height
    page = Image.new("RGB", (width, top + height + _MARGIN + 34), _PAPER)
    draw = ImageDraw.Draw(page)
    right = _MARGIN + grid.width + arrow
    draw.text((_MARGIN, _MARGIN - 8), _fit(title, _font(28), width - 2 * _MARGIN), _INK, _font(28))
    for x, caption in ((_MARGIN, captions[0]), (right, captions[1])):
        draw.text((x, top - 34), caption, _FAINT, _font(18))
    page.paste(grid, (_MARGIN, top + (height - grid.height) // 2))
    page.paste(finished, (right, top))
    draw.text((right, top + height + 12), final[1], _FAINT, _font(18))
    middle, tip = top + height // 2, right - 22
    draw.line((tip - 44, middle, tip, middle), _ACCENT, 5)
    draw.polygon(((tip + 8, middle), (tip - 10, middle - 11), (tip - 10, middle + 11)), _ACCENT)
    return page


def _grid(tiles: Sequence[Tile], *, columns: int, side: int, chosen: int) -> Image.Image:
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    font = _font(17 if side > 200 else 14)
    cell = side + 30
    grid = Image.new("RGB", (columns * (side + _GAP) - _GAP, rows * (cell + _GAP) - _GAP), _PAPER)
    draw = ImageDraw.Draw(grid)
    for index, (image, caption) in enumerate(tiles):
        x, y = index % columns * (side + _GAP), index // columns * (cell + _GAP)
        picture = image.resize((side, side), Image.Resampling.LANCZOS)
        grid.paste(_rounded(picture, _CORNER), (x, y))
        if index == chosen:
            box = (x, y, x + side - 1, y + side - 1)
            draw.rounded_rectangle(box, _CORNER, outline=_ACCENT, width=5)
        draw.text((x + 2, y + side + 7), caption, _ACCENT if index == chosen else _FAINT, font)
    return grid


def _rounded(image: Image.Image, radius: int) -> Image.Image:
    """Corners cut to the colour of the paper, drawn large and shrunk to be smooth."""
    large = Image.new("L", (image.width * 4, image.height * 4), 0)
    box = (0, 0, large.width - 1, large.height - 1)
    ImageDraw.Draw(large).rounded_rectangle(box, radius * 4, fill=255)
    page = Image.new("RGB", image.size, _PAPER)
    page.paste(image.convert("RGB"), mask=large.resize(image.size, Image.Resampling.LANCZOS))
    return page


def _font(size: int) -> FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _fit(text: str, font: FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """Cut to a width in pixels, with an ellipsis if it was longer."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text.rstrip() + "..."
