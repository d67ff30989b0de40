"""Characters that leave no mark, and those that only reorder or control what others leave."""

from __future__ import annotations

import unicodedata
from typing import Final

# Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt, version 16).
_IGNORABLE: Final = (
    (0x00AD, 0x00AD),  # soft hyphen
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x061C, 0x061C),  # Arabic letter mark
    (0x115F, 0x1160),  # Hangul fillers
    (0x17B4, 0x17B5),  # Khmer vowels that are inherent
    (0x180B, 0x180F),  # Mongolian selectors
    (0x200B, 0x200F),  # zero-width space, joiners, direction marks
    (0x202A, 0x202E),  # embeddings and overrides of direction
    (0x2060, 0x206F),  # word joiner, isolates of direction
    (0x3164, 0x3164),  # Hangul filler
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFEFF, 0xFEFF),  # byte order mark
    (0xFFA0, 0xFFA0),  # halfwidth Hangul filler
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),  # shorthand
    (0x1D173, 0x1D17A),  # musical beams and slurs
    (0xE0000, 0xE0FFF),  # tags, more variation selectors
)
_IGNORED: Final = frozenset(
    chr(code) for first, last in _IGNORABLE for code in range(first, last + 1)
)
# Of category Cf, and drawn all the same: signs that enclose the digits after them.
_DRAWN: Final = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2") | {
    "\U000110bd",
    "\U000110cd",
}


def is_invisible(char: str) -> bool:
    """Whether a character is to be left out where only what is seen counts.

    Controls are, line ends among them; spaces and unassigned characters are not.
    """
    if char in _IGNORED:
        return True
    category = unicodedata.category(char)
    return category in ("Cc", "Cs") or (category == "Cf" and char not in _DRAWN)
