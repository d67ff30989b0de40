"""How much of a prompt a model reads: its tokenizers cut off everything after a limit."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Protocol

from underpaint.engines.cards import ModelCard

REMEMBERED: Final = 32  # prompts
SHOWN: Final = 80  # characters of the part that was cut off


class Tokenizer(Protocol):
    """The part of transformers' tokenizers that is used here."""

    model_max_length: int
    is_fast: bool  # only a fast tokenizer can tell where in a text its tokens come from

    def __call__(self, text: str, **options: Any) -> Mapping[str, Any]:
        """The ids of a text's tokens and, if asked, their positions in the text."""

    def num_special_tokens_to_add(self) -> int:
        """The number of tokens that are added to every text."""


def pipeline_limits(pipeline: Any, card: ModelCard) -> TokenLimits:
    """The limits of a diffusers pipeline that is called with the arguments of its card."""
    slots = {
        name: part for name, part in pipeline.components.items() if name.startswith("tokenizer")
    }
    asked = inspect.signature(type(pipeline).__call__).parameters.get("max_sequence_length")
    most = card.call.get("max_sequence_length", asked.default if asked else None)
    return TokenLimits(card.name, slots, most)


class TokenLimits:
    """The tokenizers of a pipeline. Not thread-safe: use it only in the thread that draws."""

    def __init__(self, name: str, tokenizers: Mapping[str, Tokenizer | None], most: int | None):
        """Takes a pipeline's tokenizers.

        Args:
            name: the model's name.
            tokenizers: by component name; None for one that is left out.
            most: the limit of the last tokenizer in tokens, if the call sets it with diffusers'
                `max_sequence_length`; the others have their own limits.
        """
        self._name = name
        last = max(tokenizers, default="")
        self._limits = [
            (tokenizer, most if most is not None and slot == last else tokenizer.model_max_length)
            for slot, tokenizer in tokenizers.items()
            if tokenizer is not None
        ]
        self._read = lru_cache(REMEMBERED)(self._read_anew)

    def warnings(self, prompt: str, negative_prompt: str = "") -> tuple[str, ...]:
        """A warning for each text of which a part is cut off.

        Args:
            prompt: as it is given to the pipeline.
            negative_prompt: as it is given to the pipeline.
        """
        told = []
        for what, text in (("prompt", prompt), ("negative prompt", negative_prompt)):
            read = self._read(text)
            cut = text[read:].strip()
            if cut:
                shown = cut if len(cut) <= SHOWN else cut[:SHOWN] + "..."
                told.append(
                    f"the {what} is too long for the model {self._name}: of "
                    f"{len(text.split())} words it read the first {len(text[:read].split())}; "
                    f"not read: {shown!r}"
                )
        return tuple(told)

    def _read_anew(self, text: str) -> int:
        """The number of characters before the first word that no tokenizer reads whole."""
        kept = [_kept(tokenizer, limit, text) for tokenizer, limit in self._limits if text]
        return max((each for each in kept if each is not None), default=len(text))


def _kept(tokenizer: Tokenizer, limit: int, text: str) -> int | None:
    """The number of characters before the first word that is not read whole.

    None if the tokenizer makes no tokens of any text.
    """
    if not tokenizer.is_fast:
        return len(text)  # unknown: assume that it reads everything, rather than warn wrongly
    room = max(0, limit - tokenizer.num_special_tokens_to_add())
    encoded = tokenizer(
        text,
        add_special_tokens=False,
        truncation=False,
        return_offsets_mapping=True,
        verbose=False,
    )
    places = encoded["offset_mapping"]
    if not places:
        return None  # such as the bundled models' third one, a placeholder for the pipeline
    if len(places) <= room:
        return len(text)
    start: int = places[room][0]
    while start and not text[start - 1].isspace():  # go back to the beginning of the word
        start -= 1
    return start
