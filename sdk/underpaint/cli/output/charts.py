"""Bars of money: in block characters for a terminal, and as a PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw, ImageFont
from underpaint.contract.money import format_usd
from underpaint.contract.pictures import encode_png

MOST_BARS: Final = 200  # of one picture; the rest is summed up in a last one
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_WIDTH, _MARGIN, _ROW, _BAR = 1200, 32, 56, 16  # pixels
_INK, _PALE, _CHARGED, _CLOUD = "#1f2933", "#7b8794", "#2f9e75", "#d3dae0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Two bars under one label."""

    label: str
    charged_usd_micros: int
    cloud_only_usd_micros: int


def blocks(value: int, most: int, columns: int) -> str:
    """A bar of up to `columns` characters, exact to an eighth; empty only for 0."""
    if value <= 0 or most <= 0:
        return ""
    eighths = max(1, value * columns * 8 // most)
    return _EIGHTHS[8] * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def draw(title: str, bars: Sequence[Bar]) -> bytes:
    """A PNG chart: for each bar what was charged, and what it would have cost all in the cloud."""
    bars = _at_most(bars, MOST_BARS)
    large, small = ImageFont.load_default(26), ImageFont.load_default(16)
    labels = max((round(small.getlength(bar.label)) for bar in bars), default=0)
    left = _MARGIN + min(labels, _WIDTH // 3) + 16
    room = _WIDTH - left - _MARGIN - 130  # the sum stands behind the bar
    most = max((bar.cloud_only_usd_micros for bar in bars), default=0)
    most = max(most, *(bar.charged_usd_micros for bar in bars), 1)
    image = Image.new("RGB", (_WIDTH, 110 + _ROW * max(1, len(bars)) + _MARGIN), "white")
    canvas = ImageDraw.Draw(image)
    canvas.text((_MARGIN, 24), title, fill=_INK, font=large)
    canvas.rectangle((_MARGIN, 72, _MARGIN + 14, 86), fill=_CHARGED)
    canvas.text((_MARGIN + 22, 70), "charged", fill=_INK, font=small)
    canvas.rectangle((_MARGIN + 110, 72, _MARGIN + 124, 86), fill=_CLOUD)
    canvas.text((_MARGIN + 132, 70), "all cloud", fill=_INK, font=small)
    if not bars:
        canvas.text((_MARGIN, 116), "nothing was spent yet", fill=_PALE, font=small)
    for index, bar in enumerate(bars):
        top = 116 + index * _ROW
        canvas.text((_MARGIN, top + 8), _fitted(bar.label, small, left), fill=_INK, font=small)
        pairs = ((bar.charged_usd_micros, _CHARGED), (bar.cloud_only_usd_micros, _CLOUD))
        for value, colour in pairs:
            right = left + max(1, value * room // most)
            canvas.rectangle((left, top, right, top + _BAR), fill=colour)
            canvas.text((right + 8, top - 1), format_usd(value), fill=_PALE, font=small)
            top += _BAR + 4
    return encode_png(image)


def _fitted(label: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, left: int) -> str:
    room = left - _MARGIN - 12
    if font.getlength(label) <= room:
        return label
    while label and font.getlength(label + "…") > room:
        label = label[:-1]
    return label + "…"


def _at_most(bars: Sequence[Bar], most: int) -> list[Bar]:
    if len(bars) <= most:
        return list(bars)
    rest = bars[most - 1 :]
    last = Bar(
        label=f"{len(rest)} more",
        charged_usd_micros=sum(bar.charged_usd_micros for bar in rest),
        cloud_only_usd_micros=sum(bar.cloud_only_usd_micros for bar in rest),
    )
    return [*bars[: most - 1], last]
