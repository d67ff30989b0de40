"""Checks the model of a setting, without importing torch."""

from __future__ import annotations

from pathlib import Path

from underpaint.engines import hub
from underpaint.engines.forms import find


def check_model(model: str, data_dir: Path | None = None) -> None:
    """Checks that an engine can load a model; one of the hub is checked after it is fetched.

    Raises:
        InvalidModel: names what is missing, incomplete or unsafe.
    """
    if hub.parse(model) is None:
        find(model, data_dir)
