"""What an engine reads of a prompt, so that prompts that look the same draw the same.

Only engines call this: records, quotes and receipts keep what was typed.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from underpaint.contract.invisible import is_invisible

# Kinds of compatibility characters that are other characters in another dress: wide and narrow
# forms, Arabic letters by their place in a word, letters in a mathematician's typeface. NFKC
# would go further, and change what is seen: x² to x2, ½ to 1⁄2, ① to 1.
_DRESSES: Final = frozenset(
    {"<wide>", "<narrow>", "<initial>", "<medial>", "<final>", "<isolated>", "<font>"}
)
# And of those that Unicode only calls <compat>, the ones that look like what they stand for.
_ALIKE: Final = (
    (0x00B5, 0x00B5),  # the sign for micro
    (0x0132, 0x0133),  # ĳ
    (0x01C4, 0x01CC),  # ǆ, ǉ, ǌ
    (0x01F1, 0x01F3),  # ǳ
    (0x2024, 0x2026),  # dots
    (0x2160, 0x217F),  # Roman numerals
    (0x2E80, 0x2FDF),  # radicals
    (0xFB00, 0xFB17),  # ligatures such as ﬁ
)
_BLANK: Final = "\u2800"  # a Braille cell without a dot


def clean(text: str) -> str:
    """The engine's text of a typed prompt.

    In Unicode's NFC; without what is invisible; letters in another dress, such as ｆｏｘ and ﬁ,
    as the plain ones; every run of white space as one space, none at the ends. Letters of
    different alphabets stay different, however alike.
    """
    seen = "".join(_seen(char) for char in text)
    return " ".join(unicodedata.normalize("NFC", seen).split())


def _seen(char: str) -> str:
    if char.isascii() and char.isprintable():
        return char
    if char.isspace() or char == _BLANK:
        return " "
    if is_invisible(char):
        return ""
    kind, *codes = unicodedata.decomposition(char).split() or [""]
    alike = any(first <= ord(char) <= last for first, last in _ALIKE)
    if kind in _DRESSES or (kind == "<compat>" and alike):
        return "".join(chr(int(code, 16)) for code in codes)
    return char
