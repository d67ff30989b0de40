"""The suite itself: no method of a seam is without a promise, and all look alike."""

from __future__ import annotations

import inspect
from typing import Any, get_type_hints

import pytest
from underpaint.orchestrator.promotions.approvals import Approvals
from underpaint.orchestrator.promotions.store import PromotionStore

from tests.conformance.implementations import IMPLEMENTATIONS, Capability, Implementation
from tests.conformance.witness import Called

SEAMS = (PromotionStore, Approvals)  # a PromotionStore is a LedgerStore and an ArchiveStore


def methods(seam: type) -> set[str]:
    return {name for name, what in inspect.getmembers(seam, inspect.isfunction) if name[0] != "_"}


@pytest.mark.parametrize("seam", SEAMS, ids=lambda seam: seam.__name__)
def test_an_implementation_has_the_signatures_of_the_seam(
    implementation: Implementation, seam: type
) -> None:
    made = implementation.store if seam is PromotionStore else implementation.approvals
    assert methods(seam)
    for name in methods(seam):
        promised, kept = getattr(seam, name), getattr(made, name)
        assert shape(kept) == shape(promised), f"{made.__name__}.{name}"
        assert inspect.iscoroutinefunction(kept) == inspect.iscoroutinefunction(promised), name


def shape(function: Any) -> list[tuple[Any, ...]]:
    """Parameters as they are called, with their types and defaults, and what is returned."""
    types = get_type_hints(function)
    return [
        *((p.name, p.kind, p.default, types.get(p.name)) for p in parameters(function)),
        ("return", types["return"]),
    ]


def parameters(function: Any) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


@pytest.mark.parametrize("capability", Capability)
def test_a_capability_is_one_that_some_have_and_some_have_not(capability: Capability) -> None:
    having = [each.name for each in IMPLEMENTATIONS if capability in each.can]
    assert 0 < len(having) < len(IMPLEMENTATIONS)


@pytest.mark.parametrize("seam", SEAMS, ids=lambda seam: seam.__name__)
def test_every_method_of_every_seam_was_called_on_every_implementation(
    implementation: Implementation, seam: type, called: Called
) -> None:
    """Runs last; `conftest.py` sees to it."""
    forgotten = methods(seam) - called.names.get((implementation.name, seam.__name__), set())
    assert not forgotten, f"no promise calls {sorted(forgotten)}"
