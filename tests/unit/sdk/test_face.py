"""The public face: what a program needs to use the clients is imported from `underpaint.sdk`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from underpaint import sdk
from underpaint.sdk import AsyncUnderpaint, DraftRequest, PolishRequest, Underpaint


def named(what: Any) -> Iterator[type]:
    """The types of ours in an annotation, however deep."""
    for inner in get_args(what):
        yield from named(inner)
    if isinstance(what, type) and what.__module__.startswith("underpaint."):
        yield what


def types_of(client: type) -> set[type]:
    """All that its public methods take and answer."""
    methods = inspect.getmembers(client, inspect.isroutine)
    hints = [get_type_hints(method) for name, method in methods if name[0] != "_"]
    return {each for told in hints for hint in told.values() for each in named(hint)}


@pytest.mark.parametrize("client", [AsyncUnderpaint, Underpaint])
def test_every_type_that_a_client_takes_or_answers_is_on_the_face(client: type) -> None:
    found = types_of(client)
    assert found
    hidden = {each.__name__ for each in found if getattr(sdk, each.__name__, None) is not each}
    assert not hidden, f"not to be had from underpaint.sdk: {sorted(hidden)}"
    assert {each.__name__ for each in found} <= set(sdk.__all__)


@pytest.mark.parametrize("request_", [DraftRequest, PolishRequest])
def test_every_type_of_a_request_s_fields_is_on_the_face(request_: type) -> None:
    fields = {each for hint in get_type_hints(request_).values() for each in named(hint)}
    assert {each.__name__ for each in fields} <= set(sdk.__all__)


def test_the_face_has_what_it_names() -> None:
    assert list(sdk.__all__) == sorted(sdk.__all__)
    for name in sdk.__all__:
        assert getattr(sdk, name)


def test_the_reference_describes_the_whole_face() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/sdk.md").read_text()
    described = set(re.findall(r"auto(?:class|function):: (\w+)", page))
    assert described == set(sdk.__all__) - {"errors"}  # which have a page of their own
