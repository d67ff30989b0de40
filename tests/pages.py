"""The README and the pages of docs/, and the blocks in them that people copy."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
RUN: Final = "bash"  # run from the first to the last
SHOWN: Final = "sh"  # need something to be there first: a promotion that waits, hours, a download
_BLOCK: Final = re.compile(r"^```([\w{}]+)[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    page: str  # from the root
    kind: str
    text: str

    @property
    def commands(self) -> list[list[str]]:
        lines = (shlex.split(line, comments=True) for line in self.text.splitlines())
        return [words for words in lines if words]


def blocks(*kinds: str, page: str = "") -> list[Block]:
    """All blocks of some kinds, in the order of the pages."""
    return [
        Block(str(file.relative_to(ROOT)), kind, text)
        for file in PAGES
        if page in ("", str(file.relative_to(ROOT)))
        for kind, text in _BLOCK.findall(file.read_text())
        if kind in kinds
    ]


def starts_something(words: list[str]) -> bool:
    """Whether a command is a way to start services, which would stay."""
    return words[:2] == ["underpaint", "up"] or words[:2] == ["python", "-m"]
