"""What `doctor` finds: one thing, how much it matters, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """How much it matters."""

    OK = "ok"
    WARN = "warn"  # something works less well, or not yet
    FAIL = "fail"  # something will not work


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    what: str
    verdict: Verdict
    seen: str
    advice: str = ""
