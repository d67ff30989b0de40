from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.ledger.audit import Auditor
from underpaint.orchestrator.promotions.approvals import Approvals
from underpaint.orchestrator.promotions.archive import Archive, Archivist
from underpaint.orchestrator.promotions.store import PromotionStore

from tests.conformance.implementations import IMPLEMENTATIONS, Implementation, Place, Store
from tests.conformance.steps import NOON
from tests.conformance.witness import Called

HERE = Path(__file__).parent
LAST = "test_every_method_of_every_seam_was_called_on_every_implementation"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(capability): asked only of stores that have it")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every promise is asked of every implementation that has what the promise needs."""
    if "implementation" in metafunc.fixturenames:
        needed = {mark.args[0] for mark in metafunc.definition.iter_markers("needs")}
        able = [each for each in IMPLEMENTATIONS if needed <= each.can]
        metafunc.parametrize("implementation", able, ids=lambda each: each.name)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Iterator[None]:
    """What all tests together have called is looked at last, and only if all of them run."""
    collected = len(items)
    yield
    files = {item.path for item in items if item.path.parent == HERE}
    whole = len(items) == collected and files == set(HERE.glob("test_*.py"))
    last = [item for item in items if item.name.startswith(LAST)]
    items[:] = [item for item in items if item not in last]
    if whole and not any("::" in each for each in config.args):
        items += last
    else:
        config.hook.pytest_deselected(items=last)


@pytest.fixture(scope="session")
def called() -> Called:
    return Called()


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(str(tmp_path / "artifacts"))


@pytest.fixture
def place(redis_url: str, artifacts: Artifacts) -> Place:
    return Place(redis_url=redis_url, archive=Archive(artifacts))


@pytest.fixture
async def opened(implementation: Implementation, place: Place) -> AsyncIterator[Store]:
    """Empty, at noon of 2026-11-21."""
    begun: Store = implementation.begin(place)
    await begun.turn(NOON)
    await begun.open()
    yield begun
    await begun.close()


@pytest.fixture
def store(implementation: Implementation, opened: Store, called: Called) -> Store:
    watched: Store = called.watch(implementation.name, PromotionStore, opened)
    return watched


@pytest.fixture
async def funded(store: Store) -> Store:
    await store.set_budget("project:default/default/default", 10_000)
    return store


@pytest.fixture
async def wealthy(store: Store) -> Store:
    await store.set_budget("organisation:default", 10**9)
    return store


@pytest.fixture
def approvals(implementation: Implementation, opened: Store, called: Called) -> Approvals:
    made = implementation.approvals(opened)
    watched: Approvals = called.watch(implementation.name, Approvals, made)
    return watched


@pytest.fixture
def auditor(store: Store, artifacts: Artifacts) -> Auditor:
    return Auditor(store=store, artifacts=artifacts)


@pytest.fixture
def archivist(store: Store, artifacts: Artifacts) -> Archivist:
    return Archivist(store=store, archive=Archive(artifacts), kept_s=0.0)
