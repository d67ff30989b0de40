"""Paths from flags and the environment, where `~` means the home directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator
from underpaint.contract.errors import InvalidRequest

T = TypeVar("T")


def expanded(path: Path) -> Path:
    """The path with `~` replaced, because no shell does that in `--data-dir=~/x` or a unit file.

    Raises:
        InvalidRequest: the home directory is not known.
    """
    try:
        return path.expanduser()
    except RuntimeError:
        raise InvalidRequest(
            f"{path} cannot be found: there is no home directory for the ~; write the whole path"
        ) from None


def expanded_name(text: str) -> str:
    """A text that may be a path or a name; one that begins with `~` is a path and is expanded.

    Raises:
        InvalidRequest: the home directory is not known.
    """
    return str(expanded(Path(text))) if text.startswith("~") else text


def _as_pydantic_has_it(expand: Callable[[T], T]) -> AfterValidator:
    def check(value: T) -> T:
        try:
            return expand(value)
        except InvalidRequest as error:
            raise ValueError(str(error)) from None

    return AfterValidator(check)


UserPath = Annotated[Path, _as_pydantic_has_it(expanded)]
"""A path in settings; `~` is replaced, also in its default."""
UserPathOrName = Annotated[str, _as_pydantic_has_it(expanded_name)]
"""The same for a setting that may be a path or a name, such as a model's."""
