from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.redis_server import serving_redis


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of one server for all tests that need nothing but a Redis; each keeps to its own keys."""
    with serving_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url
