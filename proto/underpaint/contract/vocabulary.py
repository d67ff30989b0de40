"""The words that a model knows, from the `vocabulary.json` of its directory, if it has one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from underpaint.contract.errors import InvalidModel

VOCABULARY: Final = "vocabulary.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word with its synonyms; only things have a `kind`."""

    word: str
    also: tuple[str, ...] = ()
    kind: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The word and its synonyms."""
        return (self.word, *self.also)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The words that a model knows; empty if its directory has no vocabulary."""

    things: tuple[Word, ...] = ()
    styles: tuple[Word, ...] = ()
    backgrounds: tuple[Word, ...] = ()
    sizes: tuple[Word, ...] = ()
    positions: tuple[Word, ...] = ()
    examples: tuple[str, ...] = ()


def read_vocabulary(directory: Path) -> Vocabulary:
    """The vocabulary of a model directory: lists of words, each a string or `{word, also, kind}`.

    Only `things` is required. Without the file the vocabulary is empty.

    Raises:
        InvalidModel: the file does not have this form.
    """
    path = directory / VOCABULARY
    if not path.exists():
        return Vocabulary()
    try:
        stored = json.loads(path.read_text())
        return Vocabulary(
            things=_words(stored["things"]),
            examples=tuple(map(str, stored.get("examples", ()))),
            **{
                name: _words(stored.get(name, ()))
                for name in ("styles", "backgrounds", "sizes", "positions")
            },
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InvalidModel(f"{path} is not a vocabulary: {error!r}") from None


def _words(entries: Any) -> tuple[Word, ...]:
    return tuple(map(_word, entries))


def _word(entry: Any) -> Word:
    if isinstance(entry, str):
        return Word(word=entry)
    if not isinstance(entry, Mapping):
        raise TypeError(f"{entry!r} is not a word")
    return Word(
        word=str(entry["word"]),
        also=tuple(map(str, entry.get("also", ()))),
        kind=str(entry.get("kind", "")),
    )
