"""The packages that each extra needs, and which of them are installed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Final

EXTRAS: Final = ("edge", "orchestrator", "cloud", "sdk")
_REQUIREMENT: Final = re.compile(r"^([\w.-]+)(?:\[[\w,.-]+\])?\s*(?:(>=|==)\s*([\w.]+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One requirement of an extra."""

    name: str
    wanted: str  # such as ">=2.9", or empty
    version: str  # empty if it is not installed

    @property
    def fits(self) -> bool:
        """Whether it is installed and new enough."""
        if not self.version:
            return False
        if self.wanted.startswith("=="):
            return self.version.partition("+")[0] == self.wanted[2:]
        return _numbers(self.version) >= _numbers(self.wanted)


def packages(extra: str) -> list[Package]:
    """The packages that an extra needs beyond the core, by name."""
    return sorted(
        (
            Package(name=name, wanted=wanted, version=_version(name))
            for name, wanted in _requirements(extra)
        ),
        key=lambda package: package.name,
    )


def missing(extra: str) -> list[str]:
    """The names of packages that an extra needs and that are not installed."""
    return [package.name for package in packages(extra) if not package.version]


def _requirements(extra: str) -> Iterator[tuple[str, str]]:
    try:
        declared = metadata.requires("underpaint") or []
    except metadata.PackageNotFoundError:
        return
    for line in declared:
        requirement, _, marker = line.partition(";")
        found = _REQUIREMENT.match(requirement.strip())
        if found and re.search(rf"extra\s*==\s*['\"]{extra}['\"]", marker):
            yield found[1], f"{found[2] or ''}{found[3] or ''}"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d+", text.partition("+")[0]))
