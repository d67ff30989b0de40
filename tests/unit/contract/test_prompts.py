from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from underpaint.contract.invisible import is_invisible
from underpaint.contract.prompts import clean

# Planes 3 to 13 are empty, and the last two are for private use.
EVERY_CHARACTER = [chr(code) for code in (*range(0x32000), *range(0xE0000, 0xE1000))]


@pytest.mark.parametrize(
    "typed",
    [
        "red\u200b fox",  # zero-width space
        "\ufeffred fox",  # byte order mark
        "red\u00ad f\u2060ox",  # soft hyphen, word joiner
        "red \u202efox\u202c",  # override of direction
        "\u2067red\u2069 fox\u200f",  # isolates, direction mark
        "red fo\ufe0fx",  # variation selector
        "red \U000e0066\U000e006f\U000e0078fox",  # tags, which spell fox unseen
        "red\ufff9 fox\ufffb",  # notes between the lines
        "red f\u034fox",  # combining grapheme joiner
        "red\u3164 fox",  # Hangul filler
        "red\x00 fox\x1b",
        "red\u00a0fox",  # no-break space
        "red\u2800fox",  # Braille without a dot
        "  red\n\t fox\u3000",
        "ｒｅｄ ｆｏｘ",
        "𝗋𝖾𝖽 𝖿𝗈𝗑",
    ],
)
def test_what_looks_like_a_red_fox_is_read_as_one(typed: str) -> None:
    assert clean(typed) == "red fox"


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("cafe\u0301", "café"),
        ("cafe\u200b\u0301", "café"),  # composed once nothing stands between
        ("ﬁre in the ﬆudio", "fire in the studio"),
        ("5 \u212b", "5 Å"),
        ("Louis ⅩⅣ…", "Louis XIV..."),
        ("⽕", "火"),
        ("\ufe91\ufe8e\ufe8f", "باب"),
        ("👩\u200d🚀 ❤\ufe0f", "👩🚀 ❤"),
    ],
)
def test_other_dresses_are_taken_off(typed: str, read: str) -> None:
    assert clean(typed) == read


@pytest.mark.parametrize(
    "typed",
    [
        *("x² and ½", "① of ②", "лиса", "a fox, “quick” — and brown", "ein Füchslein", ""),
        *(
            "แมวน้ำ",
            "مرحبا",
            "हिन्दी",
            "한국의 여우",
            "آية \u06dd١",
            "(fox:1.2) \\(x\\)",
            "Straße",
            "℃ and ™",
        ),
    ],
)
def test_what_looks_otherwise_stays_otherwise(typed: str) -> None:
    assert clean(typed) == typed


def test_nothing_invisible_is_read_of_any_character() -> None:
    for char in EVERY_CHARACTER:
        read = clean(f"a{char}b")
        assert not any(map(is_invisible, read)), ascii(char)
        assert clean(read) == read, ascii(char)
        assert unicodedata.is_normalized("NFC", read), ascii(char)


def test_what_is_drawn_is_not_invisible() -> None:
    for char in EVERY_CHARACTER:
        category = unicodedata.category(char)
        if category[0] in "LNPSZ" and is_invisible(char):
            assert "FILLER" in unicodedata.name(char)


@given(st.text())
def test_a_prompt_that_was_read_reads_the_same_again(typed: str) -> None:
    assert clean(clean(typed)) == clean(typed)


@given(
    st.text(),
    st.text(),
    st.sampled_from(
        [char for char in EVERY_CHARACTER if is_invisible(char) and not char.isspace()]
    ),
)
def test_what_is_invisible_changes_nothing(before: str, after: str, char: str) -> None:
    assert clean(before + char + after) == clean(before + after)
