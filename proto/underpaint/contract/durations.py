"""Spans of time as people write them: 30s, 15m, 4h, 7d."""

from __future__ import annotations

import re
from typing import Final

from underpaint.contract.errors import InvalidRequest

_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_DURATION: Final = re.compile(r"([0-9]{1,9})\s*([smhdw])")


def parse_duration(text: str) -> int:
    """Seconds of "90s", "15m", "4h", "7d" or "2w".

    Raises:
        InvalidRequest: it is written otherwise.
    """
    found = _DURATION.fullmatch(text.strip())
    if not found:
        raise InvalidRequest(f"{text!r} is no span of time; write it like 30s, 15m, 4h or 7d")
    return int(found[1]) * _SECONDS[found[2]]


def format_duration(seconds: int) -> str:
    """In the largest unit that leaves nothing over: 14400 -> "4h"."""
    unit = next(unit for unit in "wdhms" if seconds % _SECONDS[unit] == 0)
    return f"{seconds // _SECONDS[unit]}{unit}"
