from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.redis_server import serving_redis


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of one server for all tests that need nothing but a Redis; each keeps to its own keys."""
    with serving_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The directory of the tiny checkpoint of a name (tests/tiny), made once; leave it as it is."""
    from tests.tiny import make  # torch and diffusers, which not every test needs

    return cache(lambda name: make(name, tmp_path_factory.mktemp("tiny") / name))
