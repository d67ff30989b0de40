"""Workers that stall, live long, are given the same work again, or have a wrong clock."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.faults.house import ROOT, House, charge, script, small, sprung, until
from tests.faults.verdict import check_the_ledger

CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static time_t off(void) { return atol(getenv("CLOCK_OFF_S")); }

int clock_gettime(clockid_t clock, struct timespec *now) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int failed = real(clock, now);
  if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += off();
  return failed;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec exact;
  int failed = clock_gettime(CLOCK_REALTIME, &exact);
  now->tv_sec = exact.tv_sec, now->tv_usec = exact.tv_nsec / 1000;
  return failed;
}
time_t time(time_t *now) {
  struct timespec exact;
  clock_gettime(CLOCK_REALTIME, &exact);
  if (now) *now = exact.tv_sec;
  return exact.tv_sec;
}
"""

# As if nobody had cared for the entry for hours, so that the first who looks takes it.
FORSAKE = """
local entry, attempts = unpack(redis.call('HMGET', KEYS[2], 'entry', 'attempts'))
if attempts == ARGV[1] then
  redis.call('XCLAIM', KEYS[1], 'dispatchers', 'nobody', 0, entry, 'IDLE', 10000000)
end
"""


async def test_15_a_worker_that_wakes_after_its_lease_is_refused(house: House) -> None:
    """Stalled with its result in hand; the write comes when another has finished the work."""
    wire = await house.between(house.socket)
    first = await house.start(redis=wire)
    recording = wire.hold(script("record"))
    await house.promote(first, "promotion-1")
    await sprung(recording.sprung)
    first.process.stall()
    await house.start()
    assert await house.ended("promotion-1") == b"settled"
    settled = house.store.hgetall(f"{ROOT}:promotion:default/promotion-1")
    recording.let_go()
    first.process.wake()
    await until(lambda: "or has ended" in first.process.said, "the first is refused")
    assert house.store.hgetall(f"{ROOT}:promotion:default/promotion-1") == settled
    promotion = await first.client.get("promotion-1")
    assert promotion.receipt
    assert promotion.artifact
    assert promotion.receipt.charged_usd_micros == charge(2)
    assert house.pictures() == {promotion.artifact.sha256, promotion.promotion.init_image.sha256}
    await check_the_ledger(house)


async def test_16_a_heartbeat_keeps_a_lease_for_as_long_as_it_takes(house: House) -> None:
    """Its worker lives on for longer than a lease; another waits for work all the while."""
    house.orders.hold.touch()
    wire = await house.between(house.socket)
    first = await house.start(redis=wire)
    await house.promote(first, "promotion-1")
    await house.began("promotion-1")
    second = await house.start()
    heartbeats = wire.count(script("renew"))
    await until(lambda: heartbeats.seen >= 5, "the lease is renewed")  # each after a third
    house.orders.hold.unlink()
    assert await house.ended("promotion-1") == b"settled"
    assert (await second.client.get("promotion-1")).attempts == 1
    assert house.orders.wrote("began") == 1
    await check_the_ledger(house)


async def test_17_delivered_five_times_it_is_charged_once(house: House) -> None:
    """One charge, one artifact, one sequence of events, of the last delivery."""
    house.orders.hold.touch()
    workers = [await house.start("--max-attempts", "9") for _ in range(2)]
    await house.promote(workers[0], "promotion-1")
    await house.began("promotion-1")
    keys = (f"{ROOT}:work", f"{ROOT}:promotion:default/promotion-1")
    for delivery in range(2, 6):

        def delivered(delivery: int = delivery) -> bool:
            house.store.eval(FORSAKE, 2, *keys, delivery - 1)
            return house.orders.wrote("began") == delivery

        await until(delivered, "it is delivered again")
    house.orders.hold.unlink()
    assert await house.ended("promotion-1") == b"settled"
    promotion = await workers[0].client.get("promotion-1")
    events = await workers[0].client.events("promotion-1")
    last = max(number for number, event in enumerate(events) if "asked" in event.message)
    assert [event.step for event in events[last + 1 : -1]] == [1, 2, 3, 4]
    assert [event for event in events if event.state.final] == events[-1:]
    assert promotion.attempts == 5
    assert promotion.artifact
    assert house.pictures() == {promotion.artifact.sha256, promotion.promotion.init_image.sha256}
    assert await workers[0].client.budgets() == {"organisation:default": (0, charge(5))}
    await check_the_ledger(house)


async def test_25_only_the_server_s_clock_counts(house: House, tmp_path: Path) -> None:
    """One worker is an hour ahead, the other an hour behind: neither takes what is not free."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (cc) to make the library that turns a process's clock")
    library = tmp_path / "clock.so"
    compiling = [compiler, "-shared", "-fPIC", "-o", str(library), "-xc", "-", "-ldl"]
    await asyncio.to_thread(subprocess.run, compiling, input=CLOCK.encode(), check=True)

    def off(hours: int) -> dict[str, str]:
        return {"LD_PRELOAD": str(library), "CLOCK_OFF_S": str(3600 * hours)}

    house.orders.hold.touch()
    wire = await house.between(house.socket)
    ahead = await house.start(redis=wire, environ=off(1))
    quote = await ahead.client.quote(small())
    assert quote.expires_at > datetime.now(UTC) + timedelta(hours=1), "its clock is right"
    await house.promote(ahead, "promotion-1", quote_id=quote.id)
    await house.began("promotion-1")
    behind = await house.start(environ=off(-1))
    heartbeats = wire.count(script("renew"))
    await until(lambda: heartbeats.seen >= 5, "the lease is renewed")
    assert (await behind.client.get("promotion-1")).attempts == 1
    ahead.kill()
    house.orders.hold.unlink()
    assert await house.ended("promotion-1") == b"settled"
    assert (await behind.client.get("promotion-1")).attempts == 2
    late = await behind.client.quote(small())
    assert late.expires_at < datetime.now(UTC), "its clock is right"
    await house.promote(behind, "promotion-2", quote_id=late.id)
    assert await house.ended("promotion-2") == b"settled"
    await check_the_ledger(house)
