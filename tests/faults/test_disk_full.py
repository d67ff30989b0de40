"""The disk is full: first under the append-only file, then under the artifacts."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from underpaint.contract.errors import LedgerUnavailable, ServiceUnreachable
from underpaint.contract.pictures import Digest, encode_png

from tests.faults.house import House, Orchestrator, small, until
from tests.faults.verdict import check_the_ledger


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A tmpfs of that size, if this machine lets us mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "underpaint-faults", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted (CAP_SYS_ADMIN): {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, leave: int = 0) -> Path:
    """Fills a disk up to some bytes, with a file to delete when there should be room."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            file.truncate(max(0, file.tell() - leave))
    return filler


async def test_23_a_full_disk_under_the_append_only_file_loses_nothing_acknowledged(
    tmp_path: Path,
) -> None:
    """Redis ends rather than promise what it cannot keep; there is room, and all goes on."""
    with small_disk(tmp_path / "disk", 8) as disk:
        house = House(tmp_path, redis_folder=disk / "redis")
        try:
            await house.start_redis()
            await house.start_engine()
            orchestrator = await house.start("--concurrency", "0")
            await house.promote(orchestrator, "promotion-0")
            filler = fill(disk, leave=64 * 1024)
            with pytest.raises(LedgerUnavailable):
                await promote_on_and_on(house, orchestrator)
            await until(lambda: not house.redis.alive, "Redis ends")
            with pytest.raises(LedgerUnavailable):
                await orchestrator.client.quote()
            owed = sorted(house.acknowledged)
            filler.unlink()
            await house.start_redis()
            assert [each for each in owed if house.field(each, "state") != b"reserved"] == []
            await house.start()
            await house.insist(lambda: orchestrator, f"promotion-{len(owed)}")
            await check_the_ledger(house)
        finally:
            await house.close()


async def test_23_a_full_disk_under_the_artifacts_wastes_no_polish(tmp_path: Path) -> None:
    """What is made waits for room; what is new is refused with nothing reserved."""
    with small_disk(tmp_path / "disk", 1) as disk:
        house = House(tmp_path, data_folder=disk / "data")
        try:
            await house.start_redis()
            await house.start_engine()
            house.orders.hold.touch()
            orchestrator = await house.start()
            await house.promote(orchestrator, "promotion-1")
            await house.began("promotion-1")
            filler = fill(disk)
            house.orders.hold.unlink()
            await until(
                lambda: "could not be stored" in orchestrator.process.said, "it cannot be stored"
            )
            with pytest.raises(ServiceUnreachable, match="could not be stored"):
                await house.promote(orchestrator, "promotion-2", **another_draft())
            assert not house.field("promotion-2", "state")
            assert house.field("promotion-1", "state") == b"running"
            filler.unlink()
            assert await house.ended("promotion-1") == b"settled"
            assert house.orders.wrote("began") == 1
            await house.promote(orchestrator, "promotion-2", **another_draft())
            await check_the_ledger(house)
        finally:
            await house.close()


async def promote_on_and_on(house: House, orchestrator: Orchestrator) -> None:
    for number in itertools.count(1):
        await house.promote(orchestrator, f"promotion-{number}")


def another_draft() -> dict[str, Any]:
    """A draft that is not in the artifact store."""
    picture = encode_png(Image.effect_noise((128, 96), 64))
    return {"sent": small(init_image=Digest.of(picture)), "picture": picture}
