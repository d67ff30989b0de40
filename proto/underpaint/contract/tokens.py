"""How much of a prompt a model's own tokenizers keep: what is beyond is never read by it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Protocol

from underpaint.contract.checkpoints import ModelCard

REMEMBERED: Final = 32  # prompts
SHOWN: Final = 80  # characters of what was cut


class Tokenizer(Protocol):
    """What transformers' tokenizers have."""

    model_max_length: int
    is_fast: bool  # so that it can tell where in a text its tokens come from

    def __call__(self, text: str, **options: Any) -> Mapping[str, Any]:
        """Ids and, if asked, where in the text they come from."""

    def num_special_tokens_to_add(self) -> int:
        """Tokens that are put around every text."""


def pipeline_limits(pipeline: Any, card: ModelCard) -> TokenLimits:
    """Those of a diffusers pipeline that is called as its card says."""
    slots = {
        name: part for name, part in pipeline.components.items() if name.startswith("tokenizer")
    }
    asked = inspect.signature(type(pipeline).__call__).parameters.get("max_sequence_length")
    most = card.call.get("max_sequence_length", asked.default if asked else None)
    return TokenLimits(card.name, slots, most)


class TokenLimits:
    """The tokenizers of a pipeline. To be asked in the thread that draws: they are not shared."""

    def __init__(self, name: str, tokenizers: Mapping[str, Tokenizer | None], most: int | None):
        """Takes a pipeline's tokenizers.

        Args:
            name: of the model.
            tokenizers: by the names of their components; None stands for one that is left out.
            most: tokens of the last one if it is bounded by the call, as diffusers'
                `max_sequence_length` does; the others have their own bound.
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
        """What of either is cut off, in words; texts as they are given to the pipeline."""
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
        """Characters up to the first word that no tokenizer keeps whole."""
        kept = [_kept(tokenizer, limit, text) for tokenizer, limit in self._limits if text]
        return max((each for each in kept if each is not None), default=len(text))


def _kept(tokenizer: Tokenizer, limit: int, text: str) -> int | None:
    """Characters up to the first word that is not kept whole; None if no text means anything."""
    if not tokenizer.is_fast:
        return len(text)  # it may well read all; nothing is said that is not known
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
        return None  # as the bundled models' third one, which is there for the pipeline only
    if len(places) <= room:
        return len(text)
    start: int = places[room][0]
    while start and not text[start - 1].isspace():  # a word is read whole or not at all
        start -= 1
    return start
