"""Every promise has its test."""

from __future__ import annotations

import re
from pathlib import Path

PROMISES = range(1, 26)


def test_all_twenty_five_promises_are_tested() -> None:
    text = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    tested = {int(number) for number in re.findall(r"^async def test_(\d\d)_", text, re.MULTILINE)}
    assert tested == set(PROMISES)
