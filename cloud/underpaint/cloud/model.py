"""Finds and checks the model directory of a setting, without importing torch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from underpaint.contract.errors import InvalidModel
from underpaint.engines.checkpoints import check_directory

_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def is_hub_id(model: str) -> bool:
    """Whether a model is OWNER/NAME on the Hugging Face hub and not a directory."""
    return _HUB_ID.fullmatch(model) is not None and not Path(model).exists()


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
