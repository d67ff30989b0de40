"""An orchestrator is killed at every point where something could be lost or done twice."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from underpaint.contract.errors import UnderpaintError
from underpaint.contract.pictures import Digest
from underpaint.orchestrator.names import bare
from underpaint.orchestrator.storage.redis.embedded import configuration, find_server

from tests.faults.house import (
    QUOTED,
    ROOT,
    House,
    answers,
    charge,
    queued,
    script,
    small,
    sprung,
    until,
)
from tests.faults.verdict import check_the_ledger


async def test_01_no_acknowledged_promotion_is_lost(house: House) -> None:
    """Killed (-9) while one promotion runs and others wait, all of them acknowledged."""
    house.orders.hold.touch()
    first = await house.start("--concurrency", "1")
    for number in range(3):
        await house.promote(first, f"promotion-{number}")
    await house.began("promotion-0")
    first.kill()
    house.orders.hold.unlink()
    second = await house.start()
    for promotion_id in sorted(house.acknowledged):
        assert await house.ended(promotion_id) == b"settled"
    assert (await second.client.get("promotion-0")).attempts == 2
    await check_the_ledger(house)


@pytest.mark.parametrize("reserved", [False, True])
async def test_02_a_retry_after_a_kill_is_one_promotion_and_one_reservation(
    house: House, reserved: bool
) -> None:
    """Killed before the acknowledgement: before the reserving step arrived, and after it."""
    wire = await house.between(house.socket)
    first = await house.start("--concurrency", "0", redis=wire)
    quote = await first.client.quote(small())
    trap = (wire.lose_reply if reserved else wire.hold)(script("reserve"))
    promoting = asyncio.create_task(first.client.promote("promotion-1", small(), quote_id=quote.id))
    await sprung(trap.sprung)
    if reserved:
        await until(lambda: house.field("promotion-1", "state"), "it is reserved")
    first.kill()
    with pytest.raises(UnderpaintError):
        await promoting
    assert bool(house.field("promotion-1", "state")) == reserved
    second = await house.start()
    await house.promote(second, "promotion-1", quote_id=quote.id)
    await house.promote(second, "promotion-1", quote_id=quote.id)
    assert await house.ended("promotion-1") == b"settled"
    assert await second.client.budgets() == {"organisation:default": (0, charge(1))}
    await check_the_ledger(house)


async def test_03_no_reservation_without_work_and_no_work_without_a_reservation(
    house: House, tmp_path: Path
) -> None:
    """Reserving and enqueueing is one step, even when Redis dies at any command within it.

    The append-only file is cut after each command that the step wrote: what a server reads
    from it is the promotion with its money and its work, or nothing of it.
    """
    orders_only = await house.start("--concurrency", "0")
    await house.promote(orders_only, "promotion-1")
    quote = await orders_only.client.quote(small())
    (log,) = (house.redis_folder / "appendonlydir").glob("*.incr.aof")
    before = log.stat().st_size
    await house.promote(orders_only, "promotion-2", quote_id=quote.id)
    house.redis.kill()
    written = log.read_bytes()
    commands = [at for at in range(before, len(written)) if written[at : at + 1] == b"*"]
    commands = [at for at in commands if written[at - 2 : at] == b"\r\n"]
    assert len(commands) > 10, "the step wrote all of it"
    for at in commands:
        assert await _promised(house, tmp_path / f"cut-{at}", at) == {"promotion-1"}
    assert await _promised(house, tmp_path / "whole", len(written)) == house.acknowledged
    await house.start_redis()
    await house.start()
    await check_the_ledger(house)


async def test_05_a_stored_artifact_is_found_by_its_content_and_charged_once(house: House) -> None:
    """Killed after the artifact is stored and before the settling step arrived."""
    wire = await house.between(house.socket)
    first = await house.start(redis=wire)
    trap = wire.hold(script("settle"))
    await house.promote(first, "promotion-1")
    await sprung(trap.sprung)
    first.kill()
    stored = house.pictures()
    assert house.field("promotion-1", "state") == b"running"
    second = await house.start()
    assert await house.ended("promotion-1") == b"settled"
    settled = await second.client.get("promotion-1")
    assert settled.artifact
    assert settled.artifact.sha256 in stored
    picture = await second.client.artifact(settled.id, settled.artifact.sha256)
    assert Digest.of(picture) == settled.artifact
    assert house.orders.wrote("began") == 1, "the engine drew it again"
    assert await second.client.budgets() == {"organisation:default": (0, charge(1))}
    await check_the_ledger(house)


async def test_06_a_redelivery_after_settling_changes_nothing(house: House) -> None:
    """Killed when the settling step was executed and before anybody knew.

    The step takes the entry from the queue with it; one that comes all the same, as from a
    queue that does so in two steps, is dropped.
    """
    wire = await house.between(house.socket)
    first = await house.start(redis=wire)
    trap = wire.lose_reply(script("settle"))
    await house.promote(first, "promotion-1")
    await sprung(trap.sprung)
    assert await house.ended("promotion-1") == b"settled"
    first.kill()
    settled = house.store.hgetall(f"{ROOT}:promotion:default/promotion-1")
    entries = house.store.xrange(f"{ROOT}:ledger")
    assert house.store.xlen(f"{ROOT}:work") == 0
    house.store.xadd(f"{ROOT}:work", {"promotion": "default/promotion-1"})
    house.store.xadd(f"{ROOT}:work", {"promotion": "default/promotion-1"})
    second = await house.start()
    await until(lambda: house.store.xlen(f"{ROOT}:work") == 0, "the redelivered are dropped")
    await house.promote(second, "promotion-2")
    assert await house.ended("promotion-2") == b"settled"
    assert house.store.hgetall(f"{ROOT}:promotion:default/promotion-1") == settled
    assert house.store.xrange(f"{ROOT}:ledger")[: len(entries)] == entries
    assert house.orders.wrote("began", "promotion-1") == 1
    await check_the_ledger(house)


async def _promised(house: House, folder: Path, size: int) -> set[str]:
    """What a server finds in the first bytes of the log; the same in every place it is kept."""
    shutil.copytree(house.redis_folder / "appendonlydir", folder / "appendonlydir")
    (log,) = (folder / "appendonlydir").glob("*.incr.aof")
    with log.open("r+b") as file:
        file.truncate(size)
    socket = folder / "redis.sock"
    (folder / "redis.conf").write_text(configuration(folder, socket))
    server = house.run("cut-redis", str(find_server()), str(folder / "redis.conf"))
    store: Any
    with Redis.from_url(f"unix://{socket}") as store:
        await until(lambda: answers(store, server), "the server of the cut log answers")
        entries = store.xrange(f"{ROOT}:ledger")
        reserved = {fields[b"promotion"] for _, fields in entries if fields[b"kind"] == b"reserve"}
        work = queued(store)
        records = {key.rpartition(b":")[2] for key in store.keys(f"{ROOT}:promotion:*")}
        held = int(store.hget(f"{ROOT}:scope:organisation:default", "reserved") or 0)
    server.kill()
    assert reserved == work == records
    assert held == QUOTED * len(reserved)
    return {bare(promotion_id.decode()) for promotion_id in reserved}
