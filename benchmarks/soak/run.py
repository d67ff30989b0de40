"""One soak, from the start of its processes to the verdict."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

from benchmarks.soak.artists import ARTISTS, Artist
from benchmarks.soak.harms import Harms
from benchmarks.soak.world import World
from tests.faults.house import House
from tests.faults.verdict import Verdict, audit

TELL_EVERY_S: Final = 5.0


async def soak_for(seconds: float, seed: int, folder: Path) -> dict[str, object]:
    """Runs one soak in a folder; everything is stopped at the end."""
    house = House(folder)
    world = World(house, seed)
    try:
        return told(world, seconds, await run(world, seconds))
    finally:
        await house.close()


async def run(world: World, seconds: float) -> Verdict:
    """Causes faults until the time is over, repairs everything and checks the result."""
    await world.start()
    telling = asyncio.create_task(_tell(world, seconds))
    parts = [*Harms(world).run(), *(Artist(world, number).run() for number in range(ARTISTS))]
    acting = [asyncio.create_task(part) for part in parts]
    try:
        await asyncio.wait(acting, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        world.over.set()
        ended = await asyncio.gather(*acting, return_exceptions=True)
        world.wrong += [repr(each) for each in ended if each is not None]
        await world.heal()
    finally:
        for each in (telling, *acting):
            each.cancel()
        await asyncio.gather(telling, *acting, return_exceptions=True)
    house = world.house
    return await audit(house.url, house.data_folder, house.acknowledged)


async def _tell(world: World, seconds: float) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(TELL_EVERY_S)
        print(
            f"{time.monotonic() - began:5.0f} of {seconds:.0f} s: {world.faults.total()} faults, "
            f"{len(world.house.acknowledged)} promotions acknowledged, "
            f"{world.house.orders.wrote('made')} pictures drawn",
            flush=True,
        )


def told(world: World, seconds: float, verdict: Verdict) -> dict[str, object]:
    """The verdict as numbers."""
    return {
        "seed": world.seed,
        "seconds": round(seconds),
        "acknowledged": verdict.acknowledged,
        "ended": dict(verdict.ended),
        "lost": len(verdict.lost),
        "charged_twice": len(verdict.twice),
        "budget_breaches": len(verdict.breaches),
        "unfinished_leases": len(verdict.unfinished),
        "fold_mismatches": len(verdict.mismatches),
        "missing_artifacts": len(verdict.artifacts),
        "wrong_answers": len(world.wrong),
        "pictures_drawn": world.house.orders.wrote("made"),
        "artists": dict(sorted(world.did.items())),
        "faults": dict(sorted(world.faults.items())),
        "details": [*world.wrong, *verdict.details],
    }
