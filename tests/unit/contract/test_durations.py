import pytest
from underpaint.contract.durations import format_duration, parse_duration
from underpaint.contract.errors import InvalidRequest


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), (" 15m ", 900), ("4 h", 14_400), ("7d", 604_800), ("2w", 1_209_600), ("0s", 0)],
)
def test_spans_are_read(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "-7d", "1.5h", "7 days", "1h30m", "9999999999s"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="write it like 30s, 15m, 4h or 7d"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["1s", "90s", "15m", "90m", "4h", "36h", "3d", "2w"])
def test_spans_are_written_as_they_are_read(text: str) -> None:
    assert format_duration(parse_duration(text)) == text
