"""Where the engines of `up` run: the options for both, or for one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from underpaint.contract.errors import InvalidRequest
from underpaint.engines.placement import read_placement

ENGINES: Final = ("lite", "full")


def by_engine(**options: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The settings of the Lite and of the Full engine.

    Args:
        options: by setting, such as "device", what was typed: "cuda" is for both engines,
            "lite=cpu" and "full=cuda:1" for one, and win over that.

    Raises:
        InvalidRequest: an option is given twice for the same engines, or for an unknown one.
    """
    found: dict[str, dict[str, str]] = {engine: {} for engine in ENGINES}
    for setting, typed in options.items():
        flag = "--" + setting.replace("_", "-")
        by_name: dict[str, str] = {}
        for text in typed:
            engine, equals, value = text.rpartition("=")
            if equals and engine not in ENGINES:
                raise InvalidRequest(
                    f"{flag} {text}: there is no engine {engine!r}; write {flag} lite={value} or "
                    f"{flag} full={value}"
                )
            if engine in by_name:
                raise InvalidRequest(f"{flag} is given twice for {engine or 'both engines'}")
            by_name[engine] = value
        for engine in ENGINES:
            value = by_name.get(engine, by_name.get("", ""))
            if value:
                found[engine][setting] = value
    return found["lite"], found["full"]


def check(settings: Mapping[str, str]) -> None:
    """Checks settings of one engine before anything starts.

    Raises:
        InvalidRequest: a value is none of the choices, two do not go together, or something is
            not installed.
    """
    read_placement(**settings).check_installed()


def flags(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings as flags of a service."""
    return {"--" + name.replace("_", "-"): value for name, value in settings.items()}
