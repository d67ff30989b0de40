"""The words a model was taught, if its directory lists them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from underpaint.contract.errors import InvalidModel

EXAMPLES = 5


class Vocabulary:
    """The things a model can draw; knows whether a prompt names one."""

    def __init__(self, words: list[str], names: list[str]) -> None:
        """Takes the words for people to read, and these with all their other names."""
        self._examples = ", ".join(words[:: max(1, len(words) // EXAMPLES)][:EXAMPLES])
        longest_first = sorted(names, key=len, reverse=True)
        either = "|".join(re.escape(name.lower()) for name in longest_first)
        self._known = re.compile(rf"(?<![\w-])(?:{either})(?:e?s)?(?![\w-])") if names else None

    def warnings(self, prompt: str) -> tuple[str, ...]:
        """One warning if nothing in the prompt is known; none for a model without a list."""
        if self._known is None or self._known.search(prompt.lower()):
            return ()
        return (f"no known word in the prompt; this model knows e.g. {self._examples}",)


def read_vocabulary(directory: Path) -> Vocabulary:
    """The vocabulary.json of a model directory: `things`, each a word or `{word, also}`.

    Raises:
        InvalidModel: the file is there and is not that.
    """
    path = directory / "vocabulary.json"
    if not path.exists():
        return Vocabulary([], [])
    try:
        things = json.loads(path.read_text())["things"]
        entries = [tuple(_names(thing)) for thing in things]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidModel(f"{path} is no vocabulary: {error!r}") from None
    return Vocabulary([names[0] for names in entries], [n for names in entries for n in names])


def _names(thing: Any) -> Iterator[str]:
    if isinstance(thing, str):
        yield thing
        return
    yield str(thing["word"])
    for other in thing.get("also", ()):
        yield str(other)
