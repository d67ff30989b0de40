"""Other people's text, made safe to print on a terminal."""

from __future__ import annotations

from typing import Final

from underpaint.contract.invisible import is_invisible

# They join letters and choose the colour of emoji in ordinary text; alone they do nothing.
_JOINERS: Final = frozenset("\u200c\u200d") | {chr(code) for code in range(0xFE00, 0xFE10)}
_LINE_ENDS: Final = "\u2028\u2029"


def safe(text: str, longest: int | None = None) -> str:
    r"""One line that a terminal only shows: it moves no cursor and reorders nothing.

    Escape sequences, controls, line ends, overrides of direction and other invisible
    characters stand there as Python writes them, such as \x1b, \n and \u202e; joiners of
    letters and emoji are left out, and every kind of blank is a space.

    Args:
        text: from anybody.
        longest: characters; what is longer ends in "…".
    """
    if not (text.isascii() and text.isprintable()):
        text = "".join(_shown(char) for char in text)
    if longest is not None and len(text) > longest:
        return text[: max(0, longest - 1)] + "…"
    return text


def _shown(char: str) -> str:
    if char in _JOINERS:
        return ""
    if is_invisible(char) or char in _LINE_ENDS:
        return char.encode("unicode_escape").decode("ascii")
    return " " if char.isspace() else char
