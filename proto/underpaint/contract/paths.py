"""Paths as people write them, in flags and in the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator
from underpaint.contract.errors import InvalidRequest


def expanded(path: Path) -> Path:
    """The path with its `~` replaced: no shell does that in `--data-dir=~/x` or a unit file.

    Raises:
        InvalidRequest: there is no such home directory.
    """
    try:
        return path.expanduser()
    except RuntimeError:
        raise InvalidRequest(
            f"{path} cannot be found: there is no home directory for its ~; write the whole path"
        ) from None


UserPath = Annotated[Path, AfterValidator(expanded)]
"""A path in settings, whose `~` is replaced."""
