"""A finding of `doctor`: what was checked, how serious it is, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """How serious a finding is."""

    OK = "ok"
    WARN = "warn"  # something works less well, or not yet
    FAIL = "fail"  # something will not work


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check."""

    what: str
    verdict: Verdict
    seen: str
    advice: str = ""
