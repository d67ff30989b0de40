"""The world of the bundled models: its words, its captions and its tokenizer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

VOCABULARY = Path(__file__).with_name("vocabulary.txt")
CELLS = 4
"""Along each side of the canvas. Every prompt ends with a token for each cell of the canvas."""
CELL_TOKENS = tuple(f"<cell{i}>" for i in range(CELLS**2))
LOOKS = 3
"""Along each side of a thing. Every thing is followed by tokens of its own for its parts."""
CONTEXT_LENGTH = 16 + 2 * LOOKS**2 + len(CELL_TOKENS)
"""Tokens per prompt, of two things, all included. Padding costs attention, so: few."""

SPECIAL_TOKENS = ("<pad>", "<unk>", "<s>", "</s>", *CELL_TOKENS)
FILLER = (
    *("a", "an", "the", "on", "in", "at", "with", "of", "to", "and", "next", "side"),
    *("background", "style", "picture", "cute", "pretty", "nice"),
)
MODIFIERS = ("style", "background", "size", "position")
"""The kinds of entries that are not things."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the vocabulary: what kind of word, the word, its source and its synonyms."""

    kind: str
    word: str
    source: str
    synonyms: tuple[str, ...]

    @property
    def token(self) -> str:
        """The word as the tokenizer knows it: one token even for "hot dog"."""
        return self.word.replace(" ", "_")

    @property
    def looks(self) -> tuple[str, ...]:
        """The tokens that follow a thing's: what its parts look like, row by row."""
        count = 0 if self.kind in MODIFIERS else LOOKS**2
        return tuple(f"{self.token}_{i}" for i in range(count))

    @property
    def spellings(self) -> tuple[str, ...]:
        """All the strings that mean this entry, longest first so that "teddy bear" beats "bear"."""
        names = {self.word, *self.synonyms}
        if self.kind not in MODIFIERS:
            names |= {
                name + ("es" if name.endswith(("s", "x", "z", "ch", "sh", "o")) else "s")
                for name in tuple(names)
            } | {name + "s" for name in tuple(names)}
        return tuple(sorted(names, key=lambda name: (-len(name), name)))


@dataclass(frozen=True)
class Vocabulary:
    """Everything the models know, in the order of the file; indices into it label the data."""

    things: tuple[Entry, ...]
    styles: tuple[Entry, ...]
    backgrounds: tuple[Entry, ...]
    sizes: tuple[Entry, ...]
    positions: tuple[Entry, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All of them, in the order of their tokens."""
        modifiers = (*self.styles, *self.backgrounds, *self.sizes, *self.positions)
        return (*self.things, *modifiers)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The tokenizer's words by id."""
        looks = (look for thing in self.things for look in thing.looks)
        return (*SPECIAL_TOKENS, *FILLER, *(entry.token for entry in self.entries), *looks)


def load_vocabulary(path: Path = VOCABULARY) -> Vocabulary:
    """Read the vocabulary file; a word that means two things is an error."""
    entries = []
    for line in path.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        kind, word, source, synonyms = (part.strip() for part in line.split("|"))
        names = tuple(name.strip() for name in synonyms.split(",") if name.strip())
        entries.append(Entry(kind.removeprefix("thing "), word, source, names))
    owners: dict[str, str] = {}
    for entry in entries:
        for name in entry.spellings:
            if owners.setdefault(name, entry.word) != entry.word:
                raise ValueError(f"{name!r} means both {owners[name]!r} and {entry.word!r}")
    kinds = {kind: tuple(e for e in entries if e.kind == kind) for kind in MODIFIERS}
    return Vocabulary(
        things=tuple(e for e in entries if e.kind not in MODIFIERS),
        styles=kinds["style"],
        backgrounds=kinds["background"],
        sizes=kinds["size"],
        positions=kinds["position"],
    )


def make_tokenizer(vocabulary: Vocabulary) -> PreTrainedTokenizerFast:
    """A word-level tokenizer; its normaliser maps synonyms and plurals to the words of the world.

    Mapping spellings here instead of learning them costs no training at all. A thing is also
    followed by the tokens for its looks.
    """
    by_entry: dict[tuple[int, Entry], list[str]] = {}
    for entry in vocabulary.entries:
        for name in entry.spellings:
            # Names of several words go first: "teddy bear" must be one thing before "bear" is seen.
            by_entry.setdefault((-len(name.split()), entry), []).append(name)
    tokenizer = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(vocabulary.words)}, unk_token="<unk>")
    )
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            *(
                normalizers.Replace(Regex(_pattern(entry, names)), _meant(entry))
                for (_, entry), names in sorted(by_entry.items(), key=lambda item: item[0][0])
            ),
            normalizers.Replace(Regex(r"[^\w\s<>/]"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    ids = {token: i for i, token in enumerate(SPECIAL_TOKENS)}
    tokenizer.post_processor = processors.TemplateProcessing(
        single=" ".join(("<s> $A </s>", *CELL_TOKENS)),
        special_tokens=[(token, ids[token]) for token in ("<s>", "</s>", *CELL_TOKENS)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        model_max_length=CONTEXT_LENGTH,
        # The cells come last, always at the same places, and read the words before them.
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def _meant(entry: Entry) -> str:
    return " ".join((entry.token, *entry.looks))


def _pattern(entry: Entry, names: list[str]) -> str:
    """The names as whole words; not where this entry, by a longer name, was put already."""
    longest_first = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    done = rf"(?! {re.escape(entry.looks[0])})" if entry.looks else ""
    return rf"(?<![\w-])(?:{longest_first})(?![\w-]){done}"


def article(phrase: str) -> str:
    """The phrase with "a" or "an" before it."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"
