"""Sheets of pictures to look at, and where the ones that are kept lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

SHEETS = Path(__file__).with_name("sheets")
STRIP = 14
"""Pixels under a row of pictures, for its labels."""
_CHARACTER = 6
"""Pixels that a character of Pillow's own font is wide."""


def gallery(rows: Sequence[Sequence[tuple[str, Image.Image]]], side: int) -> Image.Image:
    """Rows of labelled pictures, each brought to `side` pixels; a label stands under its own."""
    columns = max((len(row) for row in rows), default=1)
    page = Image.new("RGB", (columns * side, max(1, len(rows)) * (side + STRIP)), "white")
    pen = ImageDraw.Draw(page)
    for y, row in enumerate(rows):
        top = y * (side + STRIP)
        for x, (label, picture) in enumerate(row):
            page.paste(picture.resize((side, side), Image.Resampling.BICUBIC), (x * side, top))
            pen.text((x * side + 3, top + side + 1), label[: side // _CHARACTER], fill="black")
    return page


def in_rows(
    pictures: Sequence[tuple[str, Image.Image]], columns: int
) -> list[Sequence[tuple[str, Image.Image]]]:
    """Labelled pictures in reading order, so many a row."""
    return [pictures[i : i + columns] for i in range(0, len(pictures), columns)]


def save_small(page: Image.Image, path: Path) -> None:
    """As JPEG, small enough to keep in the repository and without bands on soft backgrounds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path, quality=88, subsampling=0, optimize=True)
