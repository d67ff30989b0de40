"""Finds and checks the model directory of a setting, without importing torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from underpaint.contract.errors import InvalidModel
from underpaint.engines.cards import CARD, ModelCard, directory_card
from underpaint.engines.checkpoints import check_directory
from underpaint.engines.model_kinds import is_hub_id


def check_model(model: str) -> None:
    """Checks that an engine can load a directory; a hub id is checked after it is fetched.

    Raises:
        InvalidModel: names the file that is missing, incomplete or unsafe.
    """
    if not is_hub_id(model):
        check_directory(Path(model))


def fetch_model(model: str) -> Path:
    """The directory of a model; a hub id is fetched first.

    Raises:
        InvalidModel: it cannot be fetched or loaded.
    """
    if not is_hub_id(model):
        check_directory(Path(model))
        return Path(model)
    from diffusers import DiffusionPipeline

    try:
        directory = Path(DiffusionPipeline.download(model, use_safetensors=True))
    except (OSError, ValueError) as error:
        raise InvalidModel(f"{model} cannot be fetched from the hub: {error}") from error
    check_directory(directory)
    return directory


def card_of(model: str, directory: Path) -> ModelCard:
    """The card of a fetched model; without one, a hub id is the name, not its folder's hash.

    Raises:
        InvalidModel: the card cannot be read.
    """
    card = directory_card(directory)
    named = (directory / CARD).exists() or not is_hub_id(model)
    return card if named else replace(card, name=model)
