import pytest
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.money import MAX_USD_MICROS, check_usd_micros, format_usd, parse_usd


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


@pytest.mark.parametrize("usd_micros", [0, 1, 99, 12_500, 10**12 + 1, MAX_USD_MICROS])
def test_what_is_shown_can_be_read_again(usd_micros: int) -> None:
    assert parse_usd(format_usd(usd_micros)) == usd_micros


@pytest.mark.parametrize("text", ["5", "$5.00", " 5.0 ", "5e0", "$5"])
def test_five_dollars_may_be_written_in_several_ways(text: str) -> None:
    assert parse_usd(text) == 5_000_000


@pytest.mark.parametrize(
    "text", ["", "five", "$", "0.0000001", "-1", "nan", "inf", "1e40", "9007199255", "1.2.3"]
)
def test_what_is_no_sum_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_usd(text)


def test_the_ledger_holds_no_more_than_a_double_counts() -> None:
    assert check_usd_micros(MAX_USD_MICROS) == MAX_USD_MICROS
    for outside in (-1, MAX_USD_MICROS + 1):
        with pytest.raises(InvalidRequest):
            check_usd_micros(outside)
