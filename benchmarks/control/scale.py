"""Measures how Promote's latency and memory depend on the number of stored promotions.

Two whole houses run side by side, one with 1,000 finished promotions, one with many, so that
rounds can be interleaved. Copies of a real promotion fill them: every key that it left, with
the ledger's entries and sums, by a script in Redis. Before anything is measured a copy is
compared with the real one and the small ledger is verified.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.ledger.audit import Auditor
from underpaint.orchestrator.promotions.archive import Archive, Archivist
from underpaint.orchestrator.storage.redis.store import RedisStore

from benchmarks.control.houses import Ours, ended, until

ROOT: Final = "{underpaint}"
SMALL: Final = 1_000
ROUNDS: Final = 7
SECONDS: Final = 3.0
AT_ONCE: Final = 500
_SAME: Final = {b"id", b"last_event", b"entry", b"turn", b"created", b"updated"}

# ARGV: the real one's id, how many, where their names begin to count.
_COPY: Final = """
local root, id, count, first = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local function pairs_of(flat)
  local fields = {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
end
local record = redis.call('HGETALL', root .. ':promotion:' .. id)
local fields = pairs_of(record)
local events = redis.call('XRANGE', root .. ':events:' .. id, '-', '+')
local kept = redis.call('PTTL', root .. ':events:' .. id)
local entries = {}
for _, line in ipairs(redis.call('XRANGE', root .. ':ledger', '-', '+', 'COUNT', 1000)) do
  if pairs_of(line[2]).promotion == id then entries[#entries + 1] = line[2] end
end
for number = first, first + count - 1 do
  local name = 'copy-' .. string.format('%012d', number)
  local key, stream = root .. ':promotion:' .. name, root .. ':events:' .. name
  redis.call('HSET', key, unpack(record))
  local last
  for _, event in ipairs(events) do last = redis.call('XADD', stream, '*', unpack(event[2])) end
  redis.call('HSET', key, 'id', name, 'last_event', last)
  redis.call('PEXPIRE', stream, kept)
  redis.call('ZADD', root .. ':promotions', redis.call('INCR', root .. ':sequence'), name)
  for _, line in ipairs(entries) do
    local copied = {unpack(line)}
    for i = 1, #copied, 2 do
      if copied[i] == 'promotion' then copied[i + 1] = name end
      if copied[i] == 'number' then copied[i + 1] = redis.call('INCR', root .. ':entries') end
    end
    redis.call('XADD', root .. ':ledger', '*', unpack(copied))
  end
end
local charged, day = fields.charged, fields.day
for scope in string.gmatch(fields.scopes, '%S+') do
  redis.call('HINCRBY', root .. ':scope:' .. scope, 'spent', count * charged)
  for _, window in ipairs({day, string.sub(day, 1, 7)}) do
    redis.call('HINCRBY', root .. ':balance:' .. window, 'spent ' .. scope, count * charged)
  end
end
local cell = ' ' .. fields.scopes .. ' ' .. cjson.decode(fields.outcome).model
redis.call('HINCRBY', root .. ':spend:' .. day, 'promotions' .. cell, count)
redis.call('HINCRBY', root .. ':spend:' .. day, 'charged' .. cell, count * charged)
redis.call('HINCRBY', root .. ':spend:' .. day, 'cloud_only' .. cell, count * fields.cloud_only)
"""


def house(base: Path, name: str, count: int) -> tuple[Ours, int]:
    """A system with a number of finished promotions, and the bytes that each of them takes."""
    made = Ours(name=name, folder=Path(tempfile.mkdtemp(dir=base)))
    made.start_redis()
    made.start_engine()
    made.start(1, 32, "--finished-kept-s", "31622400")
    made.load("whole", 1, 1.0)
    store = made.store
    real = store.zrange(f"{ROOT}:promotions", 0, 0)[0].decode()
    until(lambda: not store.zcard(f"{ROOT}:deadlines"), "all promotions have ended")
    before = _memory(store)
    # Filled without the file, which is then written anew: what is measured is durable again.
    store.config_set("appendonly", "no")
    copy = store.register_script(_COPY)
    for first in range(0, count, AT_ONCE):
        if first % 100_000 == 0:
            print(f"{name}: {first:,} of {count:,} promotions are copied", flush=True)
        copy(keys=[ROOT], args=[real, min(AT_ONCE, count - first), first])
    each = (_memory(store) - before) // count
    store.config_set("appendonly", "yes")
    until(lambda: _written(store), "the file is written")
    _compare(store, real)
    return made, each


def measure(base: Path, count: int) -> dict[str, Any]:
    """Promote's p50 in both systems, and the bytes of a promotion before and after archiving."""
    began = time.perf_counter()
    small, _ = house(base, "small", SMALL)
    with ended(small):
        asyncio.run(_verified(small))
        large, each = house(base, "large", count)
        with ended(large):
            filled_s = time.perf_counter() - began
            live = _rounds(small, large)
            began = time.perf_counter()
            archived_bytes = asyncio.run(_archive(large))
            archived_s = time.perf_counter() - began
            archived = _rounds(small, large)
    return {
        "promotions": count,
        "bytes_each": each,
        "bytes_each_archived": archived_bytes,
        "promote_ms": live,
        "promote_ms_archived": archived,
        "fill_s": round(filled_s, 1),
        "archive_s": round(archived_s, 1),
    }


def _rounds(small: Ours, large: Ours) -> dict[str, float]:
    """Medians of interleaved rounds, one client."""
    print("measuring ...", flush=True)
    p50: dict[str, list[float]] = {"small": [], "large": []}
    for number in range(ROUNDS):
        for each in (small, large) if number % 2 else (large, small):
            seen, _ = each.load("whole", 1, SECONDS)
            p50[each.name].append(statistics.median(seen.ms["promote"]))
    print("measured", flush=True)
    medians = {name: statistics.median(values) for name, values in p50.items()}
    ratios = [b / a for a, b in zip(p50["small"], p50["large"], strict=True)]
    return {
        "small_p50": round(medians["small"], 2),
        "large_p50": round(medians["large"], 2),
        "ratio": round(medians["large"] / medians["small"], 3),
        "ratio_lowest": round(min(ratios), 3),
        "ratio_highest": round(max(ratios), 3),
    }


async def _verified(made: Ours) -> None:
    """Verifies that the copies add up to the balances."""
    ledger = RedisStore(made.url, lease_s=15)
    try:
        verdict = await Auditor(
            store=ledger, artifacts=Artifacts(str(made.folder / "data" / "artifacts"))
        ).verify()
    finally:
        await ledger.close()
    if verdict.mismatches:
        raise SystemExit(f"the copies do not add up: {verdict.mismatches[0]}")


async def _archive(made: Ours) -> int:
    """Archives all finished promotions; returns the bytes that each still takes."""
    archive = Archive(Artifacts(str(made.folder / "data" / "artifacts")))
    ledger = RedisStore(made.url, lease_s=15, archive=archive)
    try:
        full, number = _memory(made.store), made.store.zcard(f"{ROOT}:promotions")
        ledger_bytes = made.store.memory_usage(f"{ROOT}:ledger", samples=0)
        count = await Archivist(store=ledger, archive=archive, kept_s=0).archive_all()
        if count < number:
            raise SystemExit(f"{count} of {number} promotions were archived")
        # The ledger's entries leave Redis into checkpoints, not with the promotions.
        await ledger.expire_due(0)
        left = _tombstones(made.store)
    finally:
        await ledger.close()
    print(
        f"archived {count:,}: {(full - _memory(made.store)) // count:,} bytes each came back, "
        f"{ledger_bytes // count:,} are the ledger's",
        flush=True,
    )
    return left // count


def _tombstones(store: Any) -> int:
    """The bytes that archived promotions still take in Redis."""
    with closing(store.pipeline(transaction=False)) as pipeline:
        for key in store.scan_iter(f"{ROOT}:tombstones:*", count=10_000):
            pipeline.memory_usage(key, samples=0)
        segments = store.memory_usage(f"{ROOT}:segments", samples=0) or 0
        return int(sum(pipeline.execute()) + segments)


def _compare(store: Any, real: str) -> None:
    """Checks that a copy has the same keys, types, fields, values and lifetimes as the real one."""
    copy = f"copy-{0:012d}"
    one, other = (store.hgetall(f"{ROOT}:promotion:{name}") for name in (real, copy))
    same = one.keys() == other.keys() and all(
        one[field] == other[field] for field in one.keys() - _SAME
    )
    ones, others = (store.xrange(f"{ROOT}:events:{name}") for name in (real, copy))
    same = same and [event for _, event in ones] == [event for _, event in others]
    lifetimes = [store.ttl(f"{ROOT}:events:{name}") for name in (real, copy)]
    keys = [
        {key.replace(name.encode(), b"") for key in store.scan_iter(f"*:{name}", count=100_000)}
        for name in (real, copy)
    ]
    if not same or min(lifetimes) <= 0 or keys[0] != keys[1]:
        raise SystemExit(f"the copies are not like the real promotion: {keys}")


def _memory(store: Any) -> int:
    return int(store.info("memory")["used_memory"])


def _written(store: Any) -> bool:
    told = store.info("persistence")
    return bool(
        told["aof_enabled"]
        and not told["aof_rewrite_in_progress"]
        and not told["aof_rewrite_scheduled"]
    )
