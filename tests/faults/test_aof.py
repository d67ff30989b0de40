"""The tail of the append-only file is cut, or not what was written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.house import House, until
from tests.faults.verdict import check_the_ledger


@pytest.fixture
async def log(house: House) -> Path:
    """The file, with three promotions acknowledged; Redis and the orchestrator are gone."""
    orders_only = await house.start("--concurrency", "0")
    for number in (1, 2, 3):
        await house.promote(orders_only, f"promotion-{number}")
    orders_only.kill()
    house.redis.kill()
    (file,) = (house.redis_folder / "appendonlydir").glob("*.incr.aof")
    return file


async def test_24_cut_off_it_starts_to_the_last_good_record(house: House, log: Path) -> None:
    """What the disk lost is gone as a whole; all before it is there, and work goes on."""
    with log.open("r+b") as file:
        file.truncate(file.seek(-7, os.SEEK_END))
    await house.start_redis()
    orchestrator = await house.start()
    assert not house.field("promotion-3", "state")
    house.acknowledged.remove("promotion-3")
    await check_the_ledger(house)
    await house.promote(orchestrator, "promotion-3")
    await check_the_ledger(house)


@pytest.mark.parametrize("tail", [bytes(64), b"*2\r\n$3\r\nGE\xff"], ids=["zeros", "noise"])
async def test_24_corrupt_it_refuses_and_says_so(house: House, log: Path, tail: bytes) -> None:
    """A server that cannot read its file does not begin an empty one; nor do we spend."""
    with log.open("ab") as file:
        whole = file.tell()
        file.write(tail + b"\r\n*1\r\n$4\r\nPING\r\n")
    redis = await house.start_redis(awaited=False)
    await until(lambda: not redis.alive, "the server refuses")
    assert "Bad file format reading the append only file" in redis.said
    with pytest.raises(AssertionError, match="Redis is out of reach"):
        await house.start("--redis-wait-s", "0")
    with log.open("r+b") as file:  # what the server's log advises, done by hand
        file.truncate(whole)
    await house.start_redis()
    await house.start()
    await check_the_ledger(house)
