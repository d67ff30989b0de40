"""Model cards: how a model wants to be called, written down by whoever knows it.

A diffusers directory holds its card itself; cards of hub ids and single files are kept in the
data directory of the node that uses them.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from underpaint.contract.errors import InvalidModel
from underpaint.engines.checkpoints import SUMS, read_json

if TYPE_CHECKING:
    from underpaint.engines.forms import Form

T = TypeVar("T")
CARD: Final = "underpaint.json"
FOLDER: Final = "cards"  # of a data directory
MOST_STEPS: Final = 1000  # as many as schedulers are taught
MOST_GUIDANCE: Final = 100.0
SIZES: Final = range(64, 4097)  # pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """How a model wants to be called. None means that the card does not say."""

    name: str
    native_size: int | None = None  # pixels a side
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    strength: float | None = None
    clip_skip: int | None = None
    trigger: str = ""  # words that go before each prompt, such as "mdjrny-v4 style"
    scheduler: str = ""  # by name, as in `underpaint.engines.schedulers`
    base: str = ""  # a directory or hub id with what a single file lacks: text encoders, tokenizers
    call: Mapping[str, Any] = field(default_factory=dict)  # further keyword arguments

    def check(self) -> ModelCard:
        """Returns the card if a model can be called like that.

        Raises:
            InvalidModel: names the number that is wrong.
        """
        steps, guidance, strength = self.num_inference_steps, self.guidance_scale, self.strength
        if not self.name.strip():
            raise InvalidModel("the card's name is empty; give the model one")
        if steps is not None and not 1 <= steps <= MOST_STEPS:
            raise InvalidModel(f"{steps} steps cannot be; give 1 to {MOST_STEPS}")
        # Also refuses NaN.
        if guidance is not None and not 0 <= guidance <= MOST_GUIDANCE:
            raise InvalidModel(f"a guidance of {guidance:g} cannot be; give 0 to {MOST_GUIDANCE:g}")
        if strength is not None and not 0 < strength <= 1:
            raise InvalidModel(f"a strength of {strength:g} cannot be; give more than 0, at most 1")
        if self.native_size is not None and self.native_size not in SIZES:
            raise InvalidModel(
                f"a native size of {self.native_size} pixels cannot be; "
                f"give {SIZES.start} to {SIZES.stop - 1}"
            )
        if self.clip_skip is not None and not 0 <= self.clip_skip <= 12:
            raise InvalidModel(f"a clip skip of {self.clip_skip} cannot be; give 0 to 12")
        return self


_KINDS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "native_size": int,
    "num_inference_steps": int,
    "guidance_scale": float,
    "strength": float,
    "clip_skip": int,
    "trigger": str,
    "scheduler": str,
    "base": str,
    "call": dict,
}


def read_card(form: Form, data_dir: Path | None = None) -> ModelCard:
    """The card of a model; one that says nothing but the model's name if it has none.

    Args:
        form: of the model.
        data_dir: of the node; without it only directories have a card.

    Raises:
        InvalidModel: the card is not JSON or says what cannot be.
    """
    place = form.card_file(data_dir)
    return ModelCard(name=form.name) if place is None else read_card_file(place, form.name)


def directory_card(directory: Path) -> ModelCard:
    """The card in a diffusers directory; without one the folder's name is the model's name.

    Raises:
        InvalidModel: the card is not JSON or says what cannot be.
    """
    return read_card_file(directory / CARD, directory.resolve().name)


def read_card_file(path: Path, name: str) -> ModelCard:
    """The card in a file; an empty one with this name if there is no such file.

    Raises:
        InvalidModel: the card is not JSON or says what cannot be.
    """
    if not path.exists():
        return ModelCard(name=name)
    card = read_json(path)
    try:
        given = {key: kind(card[key]) for key, kind in _KINDS.items() if card.get(key) is not None}
        return ModelCard(name=str(card["name"]), **given).check()
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InvalidModel(f"{path} is not a model card: {error!r}") from None
    except InvalidModel as error:
        raise InvalidModel(f"{path}: {error}") from None


def write_card(path: Path, card: ModelCard) -> None:
    """Writes a card, whole or not at all. What the file says beside a card's fields stays.

    Args:
        path: from `forms.card_place`.
        card: what it is to say.

    Raises:
        InvalidModel: the card says what cannot be, or cannot be written.
    """
    card.check()
    if (path.parent / SUMS).exists():
        raise InvalidModel(
            f"{path.parent} is kept as its {SUMS} says; copy it elsewhere, without that file, "
            "and give the copy a card"
        )
    kept = read_json(path) if path.exists() else {}
    said = {key: getattr(card, key) for key in _KINDS}
    document = {
        **{key: value for key, value in kept.items() if key not in said},
        "name": card.name,
        **{key: value for key, value in said.items() if value not in (None, "", {})},
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n")
        temporary.replace(path)
    except OSError as error:
        raise InvalidModel(f"{path} cannot be written: {error.strerror}") from None


def shown(number: float) -> str:
    """A number as people write it: 7.5, 4, 0."""
    return str(int(number)) if math.isfinite(number) and number == int(number) else f"{number:g}"
