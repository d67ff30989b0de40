from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.house import House


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A Redis and an engine, running; orchestrators are started by the tests."""
    running = House(tmp_path)
    try:
        await asyncio.gather(running.start_redis(), running.start_engine())
        yield running
    finally:
        await running.close()
