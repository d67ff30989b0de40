"""Fixtures of the tests that need a GPU. `make test-gpu` runs them; nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gpu.tiers import Tier


@pytest.fixture(params=["lite", "full"])
def tier(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def load(tier: str, tiny_model: Callable[[str], Path]) -> Callable[..., Tier]:
    return lambda name, **placement: Tier(tier, tiny_model(name), **placement)
