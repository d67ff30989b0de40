"""Which model directory a setting means, checked without importing torch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from underpaint.contract.checkpoints import check_directory
from underpaint.contract.errors import InvalidModel

_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def is_hub_id(model: str) -> bool:
    """Whether it is OWNER/NAME and no directory here."""
    return _HUB_ID.fullmatch(model) is not None and not Path(model).exists()


def check_model(model: str) -> None:
    """Refuses a directory that no engine could load; a hub id is checked once fetched.

    Raises:
        InvalidModel: names what is missing, cut short or unsafe.
    """
    if not is_hub_id(model):
        check_directory(Path(model))


def fetch_model(model: str) -> Path:
    """The directory of a model, fetched from the hub if it is named there.

    Raises:
        InvalidModel: it cannot be fetched, or is not fit to be loaded.
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
