"""Whether a prompt names anything that the model was taught."""

from __future__ import annotations

import difflib
import itertools
import re
from typing import Final

from underpaint.contract.vocabulary import Vocabulary

EXAMPLES: Final = 5
NEAR: Final = 3
# The warning must not take longer than the draft; the bundled models read no further either.
WORDS_READ: Final = 16
ALIKE: Final = 0.7  # difflib's ratio: two letters of a bicycle may change places


class Reader:
    """Reads prompts with a model's vocabulary; one without words finds nothing to say."""

    def __init__(self, vocabulary: Vocabulary, listed_by: str = "") -> None:
        """Takes the vocabulary, and the command that lists it, if there is one."""
        words = [thing.word for thing in vocabulary.things]
        self._examples = ", ".join(words[:: max(1, len(words) // EXAMPLES)][:EXAMPLES])
        self._listed_by = listed_by
        self._words = {
            name.lower(): thing.word for thing in vocabulary.things for name in thing.names
        }
        modifiers = (
            *(*vocabulary.styles, *vocabulary.backgrounds),
            *(*vocabulary.sizes, *vocabulary.positions),
        )
        self._modifiers = {name.lower() for word in modifiers for name in word.names}
        either = "|".join(re.escape(name) for name in sorted(self._words, key=len, reverse=True))
        self._known = re.compile(rf"(?<![\w-])(?:{either})(?:e?s)?(?![\w-])") if words else None

    def warnings(self, prompt: str) -> tuple[str, ...]:
        """One warning if the prompt names no thing that is known."""
        if self._known is None or self._known.search(prompt.lower()):
            return ()
        near = self._near(prompt)
        parts = [
            "no known word in the prompt",
            f"did you mean {' or '.join(near)}?" if near else "",
            f"this model knows e.g. {self._examples}",
            f"`{self._listed_by}` lists all" if self._listed_by else "",
        ]
        return ("; ".join(filter(None, parts)),)

    def _near(self, prompt: str) -> list[str]:
        """Things whose names look like a word, or like two words, of the prompt; the best first."""
        found = re.findall(r"[\w-]+", prompt.lower())[:WORDS_READ]
        read = [word for word in found if len(word) > 2 and word not in self._modifiers]
        pairs = [" ".join(pair) for pair in itertools.pairwise(read)]
        ranked: dict[str, float] = {}
        for text in (*read, *pairs):
            for name in difflib.get_close_matches(text, self._words, NEAR, ALIKE):
                ratio = difflib.SequenceMatcher(None, name, text).ratio()
                word = self._words[name]
                ranked[word] = max(ratio, ranked.get(word, 0.0))
        return sorted(ranked, key=lambda word: (-ranked[word], word))[:NEAR]
