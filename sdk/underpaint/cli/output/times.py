"""Times for people, in the reader's time zone, which every heading names.

Days and months of money are those of the ledger, which are in UTC; their headings say so, too.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Final

UTC_DAYS: Final = "days and months are in UTC"


def zone() -> str:
    """Such as "UTC+2" or "UTC-3:30": the offset of today, in which every moment is shown."""
    offset = f"{datetime.now(_here()):%z}"  # such as +0200
    sign, hours, minutes = offset[0], int(offset[1:3]), int(offset[3:5])
    if not (hours or minutes):
        return "UTC"
    return f"UTC{sign}{hours}" + (f":{minutes:02}" if minutes else "")


def heading(name: str) -> str:
    """Such as "made (UTC+2)"."""
    return f"{name} ({zone()})"


def moment(at: datetime, form: str = "%m-%d %H:%M") -> str:
    """A moment under such a heading."""
    return f"{at.astimezone(_here()):{form}}"


def _here() -> tzinfo:
    """The offset of now for all moments: those of a list must not differ by a summer's hour."""
    return datetime.now().astimezone().tzinfo or UTC
