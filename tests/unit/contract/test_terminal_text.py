from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from underpaint.contract.terminal_text import safe

REORDERS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a red fox", "a red fox"),
        ("[bold]{x}% \\n", "[bold]{x}% \\n"),
        ("\x1b[2J\x1b]0;pwned\x07", r"\x1b[2J\x1b]0;pwned\x07"),
        ("\x9b31m\x90q\x9c", r"\x9b31m\x90q\x9c"),
        ("yes\r\nno\tmaybe\x08\x7f", r"yes\r\nno\tmaybe\x08\x7f"),
        ("one\u2028two\u2029three\x85four\x0b\x0c", r"one\u2028two\u2029three\x85four\x0b\x0c"),
        ("approve \u202e10$\u202c", r"approve \u202e10$\u202c"),
        ("\u2066a\u2069\u200e\u200f\u061c", r"\u2066a\u2069\u200e\u200f\u061c"),
        ("a\u200bb\ufeffc\u00ad", r"a\u200bb\ufeffc\xad"),
        ("\U000e0041", r"\U000e0041"),
        ("\udc80", r"\udc80"),
        ("a\u00a0b\u3000c", "a b c"),
        ("👩\u200d🚀 ❤\ufe0f", "👩🚀 ❤"),
        ("❤\ufe0f", "❤"),
        ("\u3164", r"\u3164"),
        ("می\u200cخواهم", "میخواهم"),
        ("Füchsin, лиса, 狐, ثعلب", "Füchsin, лиса, 狐, ثعلب"),
    ],
)
def test_text_is_shown_and_does_nothing(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_no_character_at_all_controls_the_terminal() -> None:
    for code in (*range(0x32000), *range(0xE0000, 0xE1000)):  # all that has characters
        for char in safe(f"a{chr(code)}b"):
            assert unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp"), hex(code)
            assert unicodedata.bidirectional(char) not in REORDERS, hex(code)


@given(st.text())
def test_what_is_safe_stays_as_it_is_on_one_line(text: str) -> None:
    shown = safe(text)
    assert safe(shown) == shown
    assert len(shown.splitlines()) <= 1
    shown.encode()  # no surrogate is left


@given(st.text(), st.integers(0, 30))
def test_what_is_too_long_is_cut(text: str, longest: int) -> None:
    whole, cut = safe(text), safe(text, longest)
    if len(whole) <= longest:
        assert cut == whole
    else:
        assert cut == whole[: max(0, longest - 1)] + "…"
