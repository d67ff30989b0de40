"""Pictures in a terminal, by the best protocol that it supports, else as coloured half-blocks."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping, Sequence
from typing import Final

from PIL import Image
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text
from underpaint.contract.pictures import read

# Terminals that draw sixels and say so by name; asking them all would need raw mode.
_SIXEL_TERMS: Final = ("foot", "mlterm", "yaft", "contour", "xterm-sixel")
MAX_FINISHED_BYTES: Final = 32 * 2**20
_KITTY_CHUNK: Final = 4_096


def open_picture(data: bytes) -> Image.Image:
    """Decodes a picture to RGB; finished ones may be larger than pictures that are sent."""
    return read(data, max_bytes=MAX_FINISHED_BYTES).image


def protocol(environ: Mapping[str, str] | None = None) -> str:
    """ "kitty", "iterm2", "sixel" or "blocks", by what the terminal says of itself."""
    env = os.environ if environ is None else environ
    term, program = env.get("TERM", ""), env.get("TERM_PROGRAM", "")
    if "TMUX" in env or term.startswith(("screen", "tmux")):
        return "blocks"  # a terminal multiplexer drops what it does not know
    if "KITTY_WINDOW_ID" in env or term == "xterm-kitty" or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm", "vscode"):
        return "iterm2"
    return "sixel" if term.startswith(_SIXEL_TERMS) else "blocks"


def show(console: Console, data: bytes, columns: int = 48) -> None:
    """Draws a picture, about `columns` wide."""
    kind = protocol()
    if kind == "blocks":
        console.print(half_blocks(open_picture(data), min(columns, console.width)))
        return
    draw = {"kitty": _kitty, "iterm2": _iterm2, "sixel": _sixel}[kind]
    console.file.write(draw(data, columns) + "\n")
    console.file.flush()


def half_blocks(image: Image.Image, columns: int) -> Text:
    """Two pixels a cell: the upper half in the colour of the text, the lower behind it."""
    rows = max(1, round(columns * image.height / image.width / 2))
    small = image.convert("RGB").resize((columns, rows * 2), Image.Resampling.LANCZOS)
    pixels = small.tobytes()
    text = Text(no_wrap=True)
    for row in range(rows):
        for column in range(columns):
            upper, lower = (3 * ((2 * row + half) * columns + column) for half in (0, 1))
            style = Style(
                color=Color.from_rgb(*pixels[upper : upper + 3]),
                bgcolor=Color.from_rgb(*pixels[lower : lower + 3]),
            )
            text.append("▀", style)
        if row < rows - 1:
            text.append("\n")
    return text


def strip(images: Sequence[Image.Image], width: int, columns: int = 18) -> list[Text]:
    """Thumbnails side by side, as many as fit, as lines to print."""
    across = max(1, (width + 1) // (columns + 1))
    rows: list[Text] = []
    for start in range(0, len(images), across):
        thumbs = [half_blocks(image, columns).split() for image in images[start : start + across]]
        rows.extend(Text(" ").join(cells) for cells in zip(*thumbs, strict=False))
        rows.append(Text(""))
    return rows


def _kitty(data: bytes, columns: int) -> str:
    payload = base64.b64encode(_png(data)).decode()
    parts = [payload[i : i + _KITTY_CHUNK] for i in range(0, len(payload), _KITTY_CHUNK)]
    out = []
    for index, part in enumerate(parts):
        first = f"a=T,f=100,c={columns}," if index == 0 else ""
        out.append(f"\x1b_G{first}m={int(index < len(parts) - 1)};{part}\x1b\\")
    return "".join(out)


def _iterm2(data: bytes, columns: int) -> str:
    payload = base64.b64encode(data).decode()
    return f"\x1b]1337;File=inline=1;size={len(data)};width={columns}:{payload}\x07"


def _sixel(data: bytes, columns: int) -> str:
    """Six rows of pixels a band; one pass over a band for each colour in it."""
    image = open_picture(data)
    image.thumbnail((columns * 10, columns * 10))
    paletted = image.quantize(255)
    width, height = paletted.size
    palette = paletted.getpalette() or []
    pixels = paletted.tobytes()
    out = [f'\x1bPq"1;1;{width};{height}']
    for index in sorted(set(pixels)):
        red, green, blue = (channel * 100 // 255 for channel in palette[3 * index : 3 * index + 3])
        out.append(f"#{index};2;{red};{green};{blue}")
    for top in range(0, height, 6):
        rows = [pixels[y * width : (y + 1) * width] for y in range(top, min(top + 6, height))]
        for index in sorted({pixel for row in rows for pixel in row}):
            bits = (
                sum((row[x] == index) << bit for bit, row in enumerate(rows)) for x in range(width)
            )
            out.append(f"#{index}" + "".join(chr(63 + b) for b in bits) + "$")
        out.append("-")
    return "".join(out) + "\x1b\\"


def _png(data: bytes) -> bytes:
    if data.startswith(b"\x89PNG"):
        return data
    out = io.BytesIO()
    open_picture(data).save(out, "PNG")
    return out.getvalue()
