"""Pictures that were sent and have no promotion yet, in this process's memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

KEPT_S: Final = 3_600.0


class Pictures:
    """Remembers when each picture was sent, and which ones a promotion took recently."""

    def __init__(self) -> None:
        self._expected: dict[str, float] = {}
        self._kept: dict[str, float] = {}
        self._sweeping: set[str] = set()

    def expect(self, sha256: str, now: float, *, stored: bool) -> bool:
        """Notes a picture as sent; False while it is being removed."""
        if sha256 in self._sweeping:
            return False
        kept = self._kept.get(sha256, now) > now
        if sha256 in self._expected or not (stored or kept):
            self._expected[sha256] = now
        return True

    def keep(self, sha256: str, now: float) -> None:
        """Notes that a promotion refers to a picture."""
        self._expected.pop(sha256, None)
        self._kept[sha256] = now + KEPT_S

    def take(self, before: float, most: int) -> Sequence[str]:
        """Marks for removal pictures that were sent before a time, oldest first."""
        due = sorted((at, sha256) for sha256, at in self._expected.items() if at <= before)[:most]
        for _, sha256 in due:
            del self._expected[sha256]
            self._sweeping.add(sha256)
        return [sha256 for _, sha256 in due]

    def forget(self, sha256: str) -> None:
        """Notes that a picture is removed."""
        self._sweeping.discard(sha256)
