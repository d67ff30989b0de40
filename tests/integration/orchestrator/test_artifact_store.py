"""A ledger and its artifacts belong together: two orchestrators with other ones do not mix."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from redis import Redis
from underpaint.contract.promotion import PromotionState
from underpaint.orchestrator.settings import Settings

from tests.integration.orchestrator.client import Client
from tests.integration.orchestrator.conftest import free_port
from tests.integration.orchestrator.test_process import arguments


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Client]:
    """An orchestrator, from when it serves until it is killed."""
    process = await asyncio.to_thread(subprocess.Popen, arguments(settings))
    client = Client(settings.listen)
    try:
        await client.wait_until_served()
        yield client
        assert process.poll() is None
    finally:
        await client.close()
        process.kill()
        process.wait()


def refused(settings: Settings) -> str:
    """What an orchestrator says that does not start, in its last line."""
    ended = subprocess.run(arguments(settings), capture_output=True, text=True, timeout=120)
    assert ended.returncode == 2, ended.stderr
    return ended.stderr.splitlines()[-1]


def another(settings: Settings, data_dir: Path) -> Settings:
    return settings.model_copy(update={"listen": f"127.0.0.1:{free_port()}", "data_dir": data_dir})


async def test_one_with_other_artifacts_is_refused_and_told_where_they_are(
    settings: Settings, tmp_path: Path
) -> None:
    """Empty ones, and again, by when they have an id of their own."""
    async with running(settings) as client:
        await client.promote("promotion-1")
        assert (await client.finished("promotion-1")).state is PromotionState.SETTLED
        other = another(settings, tmp_path / "other")
        for _ in range(2):
            said = await asyncio.to_thread(refused, other)
            assert f"are at {settings.artifacts} on " in said
            assert f"not at {other.artifacts} on " in said
            assert "--data-dir or --artifacts-url" in said
        async with running(another(settings, settings.data_dir)):
            pass


async def test_artifacts_that_moved_with_their_id_are_taken(
    settings: Settings, tmp_path: Path
) -> None:
    """So are those whose Redis is new; and the line that refuses says how to mend an id."""
    async with running(settings):
        pass
    moved = another(settings, tmp_path / "moved")
    settings.data_dir.rename(moved.data_dir)
    async with running(moved):
        pass
    mark = Path(moved.artifacts) / "store-id"
    mark.unlink()
    said = await asyncio.to_thread(refused, moved)
    mark.write_text(said.rpartition(" ")[2] + "\n")
    async with running(moved):
        pass
    with Redis.from_url(settings.redis_url) as redis:
        redis.flushall()
    async with running(moved):
        pass


async def test_those_that_start_at_once_for_the_first_time_agree(settings: Settings) -> None:
    """Whoever is first writes the id, in the directory and in Redis; the others take it."""
    async with AsyncExitStack() as stack:
        crowd = [another(settings, settings.data_dir) for _ in range(4)]
        await asyncio.gather(*(stack.enter_async_context(running(each)) for each in crowd))
    folder = Path(settings.artifacts)
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["store-id"]  # noqa: ASYNC240
