"""Pictures that no promotion has yet, in this process's memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

KEPT_S: Final = 3_600.0


class Pictures:
    """When each was sent, and which a promotion has had lately."""

    def __init__(self) -> None:
        self._expected: dict[str, float] = {}
        self._kept: dict[str, float] = {}
        self._sweeping: set[str] = set()

    def expect(self, sha256: str, now: float, *, stored: bool) -> bool:
        """Notes one, unless it is being removed."""
        if sha256 in self._sweeping:
            return False
        kept = self._kept.get(sha256, now) > now
        if sha256 in self._expected or not (stored or kept):
            self._expected[sha256] = now
        return True

    def keep(self, sha256: str, now: float) -> None:
        """It belongs to a promotion from now on."""
        self._expected.pop(sha256, None)
        self._kept[sha256] = now + KEPT_S

    def take(self, before: float, most: int) -> Sequence[str]:
        """Those that were sent before a time, oldest first, to be removed."""
        due = sorted((at, sha256) for sha256, at in self._expected.items() if at <= before)[:most]
        for _, sha256 in due:
            del self._expected[sha256]
            self._sweeping.add(sha256)
        return [sha256 for _, sha256 in due]

    def forget(self, sha256: str) -> None:
        """It is removed."""
        self._sweeping.discard(sha256)
