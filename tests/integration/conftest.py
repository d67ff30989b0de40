from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.sdk.stubs import Stubs, serving


@pytest.fixture
def stubs() -> Iterator[Stubs]:
    with serving() as running:
        yield running
