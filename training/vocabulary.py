"""The world of the bundled models: its words, its captions and its tokenizer."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

VOCABULARY = Path(__file__).with_name("vocabulary.txt")
CONTEXT_LENGTH = 16
"""Tokens per prompt, begin and end included. Every padding token costs attention, so: few."""

SPECIAL_TOKENS = ("<pad>", "<unk>", "<s>", "</s>")
FILLER = ("a", "an", "the", "on", "in", "with", "of", "and", "background", "style", "picture")
SIZES = ("small", "big", "cute", "pretty", "little", "nice")


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
    def spellings(self) -> tuple[str, ...]:
        """All the strings that mean this entry, longest first so that "teddy bear" beats "bear"."""
        names = {self.word, *self.synonyms}
        if self.kind not in ("style", "background"):
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

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The tokenizer's words by id."""
        entries = (*self.things, *self.styles, *self.backgrounds)
        return (*SPECIAL_TOKENS, *FILLER, *SIZES, *(entry.token for entry in entries))


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
    return Vocabulary(
        things=tuple(e for e in entries if e.kind not in ("style", "background")),
        styles=tuple(e for e in entries if e.kind == "style"),
        backgrounds=tuple(e for e in entries if e.kind == "background"),
    )


def make_tokenizer(vocabulary: Vocabulary) -> PreTrainedTokenizerFast:
    """A word-level tokenizer; its normaliser maps synonyms and plurals to the words of the world.

    Mapping spellings here instead of learning them costs no training at all.
    """
    entries = (*vocabulary.things, *vocabulary.styles, *vocabulary.backgrounds)
    pairs = [(name, e.token) for e in entries for name in e.spellings if name != e.token]
    pairs.sort(key=lambda pair: -len(pair[0]))
    by_token: dict[tuple[int, str], list[str]] = {}
    for name, token in pairs:
        # Names of several words go first: "teddy bear" must be one thing before "bear" is seen.
        by_token.setdefault((-len(name.split()), token), []).append(name)
    tokenizer = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(vocabulary.words)}, unk_token="<unk>")
    )
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            *(
                normalizers.Replace(
                    Regex(rf"(?<![\w-])(?:{'|'.join(map(re.escape, names))})(?![\w-])"), token
                )
                for (_, token), names in sorted(by_token.items(), key=lambda item: item[0][0])
            ),
            normalizers.Replace(Regex(r"[^\w\s<>/]"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    ids = {token: i for i, token in enumerate(SPECIAL_TOKENS)}
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", ids["<s>"]), ("</s>", ids["</s>"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        model_max_length=CONTEXT_LENGTH,
        clean_up_tokenization_spaces=False,
    )


def article(phrase: str) -> str:
    """The phrase with "a" or "an" before it."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def plain_caption(thing: str, style: str | None = None, background: str | None = None) -> str:
    """The caption people are expected to write: "a 3d apple on a blue background"."""
    phrase = article(f"{style} {thing}" if style else thing)
    return f"{phrase} on {article(background)} background" if background else phrase


def caption(
    thing: str,
    style: str,
    background: str,
    colour: str | None,
    rng: random.Random,
    empty: float = 0.1,
) -> str:
    """One of the many ways to describe a picture, sometimes less than completely.

    `colour` is the thing's own colour, said now and then so that the model learns that a colour
    before a thing is not the background. A share of `empty` captions makes guidance possible.
    """
    if rng.random() < empty:
        return ""
    noun = thing
    roll = rng.random()
    if colour and roll < 0.12:
        noun = f"{colour} {thing}"
    elif roll < 0.18:
        noun = f"{rng.choice(SIZES)} {thing}"
    elif roll < 0.20:
        noun = f"unheard-of {thing}"
    named = rng.random() < 0.85
    placed = rng.random() < 0.85
    shape = rng.random()
    if shape < 0.6:
        return plain_caption(noun, style if named else None, background if placed else None)
    pieces: Sequence[str]
    if shape < 0.75:
        pieces = [noun, *([style] if named else []), *([f"{background} background"] * placed)]
    elif shape < 0.9:
        pieces = [*([f"{background} background"] * placed), *([style] if named else []), noun]
    else:
        pieces = [
            article(noun),
            *([f"in {style} style"] if named else []),
            *([f"with {article(background)} background"] * placed),
        ]
    return " ".join(pieces)
