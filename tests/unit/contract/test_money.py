import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.money import (
    MAX_USD_MICROS,
    MICROS,
    check_usd_micros,
    format_usd,
    parse_usd,
)


@pytest.mark.parametrize(
    ("usd_micros", "text"),
    [
        (0, "$0.00"),
        (1, "$0.000001"),
        (12_500, "$0.0125"),
        (5_000_000, "$5.00"),
        (1_234_567_890, "$1,234.56789"),
        (-250_000, "-$0.25"),
    ],
)
def test_dollars_are_shown_exactly(usd_micros: int, text: str) -> None:
    assert format_usd(usd_micros) == text


@given(st.integers(0, MAX_USD_MICROS))
def test_what_is_shown_can_be_read_again(usd_micros: int) -> None:
    assert parse_usd(format_usd(usd_micros)) == usd_micros


@pytest.mark.parametrize("text", ["5", "$5.00", " 5.0 ", "$5", "5.0000000"])
def test_five_dollars_may_be_written_in_several_ways(text: str) -> None:
    assert parse_usd(text) == 5_000_000


@pytest.mark.parametrize("text", ["1234567.5", "1,234,567.5", "$1,234,567.50"])
def test_thousands_are_grouped_everywhere_or_nowhere(text: str) -> None:
    assert parse_usd(text) == 1_234_567_500_000


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("1,50", "1.50", "150"),
        ("0,05", "0.05", "5"),
        ("$0,05", "0.05", "5"),
        ("0,500", "0.50", "500"),
        ("1.000,50", "1000.50", "1.0005"),
        ("1,500", "1.50", "1500"),
        ("$100,000", "100", "100000"),
        ("12,34.5", "12.345", "1234.50"),
    ],
)
def test_a_sum_with_two_readings_is_refused_with_both(text: str, first: str, second: str) -> None:
    told = rf"{re.escape(repr(text))}.* may mean \${first} or \${second}; write {first} or {second}"
    with pytest.raises(InvalidRequest, match=f"{told}$"):
        parse_usd(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "five", "$", "0.0000001", "-1", "nan", "inf", "5e0", "1e40", "9007199255", "1.2.3"),
        *("1_50", "1 500", "1'500", "1,2,3", "1.000.000", "1,000,50", "5.", ".5", "5,", "0,0"),
        *("05", "１", "٥", "1\n5", "$$5", "$ 5"),
        *("9" * 5_000, "9" * 5_000 + ",50", "0." + "9" * 5_000),
    ],
)
def test_what_is_no_sum_is_refused_in_one_short_line(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_usd(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 150
    assert "may mean" not in str(caught.value)


@given(st.text("0123456789.,_ $-e'", max_size=12))
def test_what_is_taken_has_one_reading(text: str) -> None:
    try:
        usd_micros = parse_usd(text)
    except InvalidRequest:
        return
    plain = text.strip().removeprefix("$")
    whole, _, fraction = plain.partition(".")
    assert usd_micros == int(whole.replace(",", "")) * MICROS + int((fraction + "0" * 6)[:6])
    groups = whole.split(",")
    if len(groups) > 1:
        assert 1 <= len(groups[0]) <= 3
        assert not groups[0].startswith("0")
        assert all(len(group) == 3 for group in groups[1:])
        assert fraction or len(groups) > 2  # "1,500" alone might be one and a half


def test_the_ledger_holds_no_more_than_a_double_counts() -> None:
    assert check_usd_micros(MAX_USD_MICROS) == MAX_USD_MICROS
    for outside in (-1, MAX_USD_MICROS + 1):
        with pytest.raises(InvalidRequest):
            check_usd_micros(outside)
