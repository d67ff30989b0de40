"""Paths as people write them, in flags and in the environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator
from underpaint.contract.errors import InvalidRequest

T = TypeVar("T")


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


def expanded_name(text: str) -> str:
    """What is a path or the name of something: a path if it begins with `~`.

    Raises:
        InvalidRequest: there is no such home directory.
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
"""A path in settings, whose `~` is replaced; in a default, too."""
UserPathOrName = Annotated[str, _as_pydantic_has_it(expanded_name)]
"""The same for what may be a name, such as a model's."""
