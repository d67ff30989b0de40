"""Where the time of a promotion goes, by the kernel's clocks, Redis's counters and py-spy."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from underpaint.contract.pictures import Digest, decode
from underpaint.orchestrator.artifacts import Artifacts

from benchmarks.control.houses import Ours
from benchmarks.control.pictures import marked, noise

TIMES: Final = 200
SECONDS: Final = 6.0
# Frames of py-spy by what they are; the first that a stack has from its innermost frame on.
_PARTS: Final = (
    ("Redis connection", ("redis/connection.py", "redis/")),
    ("picture check", ("contract/pictures.py", "contract/containers.py", "PIL/")),
    ("artifacts", ("artifacts.py",)),
    ("thread hops", ("concurrent/futures", "asyncio/threads.py")),
    ("JSON of records", ("pydantic/", "records.py")),
    ("protobuf and wire", ("contract/wire", "google/protobuf")),
    ("policy and prices", ("orchestrator/policy", "orchestrator/pricing")),
    ("gRPC", ("grpc/", "contract/rim/", "orchestrator/api/", "asyncio/events.py")),
)


async def disk(folder: Path) -> dict[str, float]:
    """Milliseconds of one fdatasync of a small append, one stored artifact, one picture check."""
    appended, stored, checked = [], [], []
    with (folder / "probe").open("wb") as file:
        for _ in range(TIMES):
            begun = time.perf_counter()
            file.write(b"x" * 4_000)
            file.flush()
            os.fdatasync(file.fileno())
            appended.append(time.perf_counter() - begun)
    artifacts, base = Artifacts(str(folder / "probes")), noise()
    for number in range(TIMES):
        picture = marked(base, b"%d" % number)
        digest = Digest.of(picture)
        begun = time.perf_counter()
        await artifacts.put(picture, digest)
        stored.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        decode(picture)
        checked.append(time.perf_counter() - begun)
    return {
        name: round(1000 * statistics.median(values), 3)
        for name, values in (
            ("fdatasync_ms", appended),
            ("artifact_ms", stored),
            ("picture_check_ms", checked),
        )
    }


def profile(house: Ours, concurrency: int) -> dict[str, Any]:
    """CPU time of each process for one promotion, Redis's statistics, shares of functions."""
    store = house.store
    store.config_resetstat()
    appended = store.info("persistence")["aof_current_size"]
    seen, used = house.load("whole", concurrency, SECONDS)
    # The settled of the whole run, its warm-up too: what the CPU was used for.
    count = store.info("commandstats")["cmdstat_evalsha"]["calls"]
    scripts = store.info("commandstats")["cmdstat_evalsha"]
    done = len(seen.ms["all"]) * (seen.seconds + 1.0) / seen.seconds
    written = store.info("persistence")["aof_current_size"] - appended
    told: dict[str, Any] = {
        "concurrency": concurrency,
        "cpu_ms_each": {name: round(1000 * s / done, 2) for name, s in used.items()}
        | {"client": round(1000 * seen.cpu_s / len(seen.ms["all"]), 2)},
        "scripts_each": round(count / done, 1),
        "script_us": scripts["usec_per_call"],
        "appended_bytes_each": round(written / done),
    }
    spy = shutil.which("py-spy", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if spy:
        told["python_shares"] = _sampled(spy, house, concurrency)
    return told


def _sampled(spy: str, house: Ours, concurrency: int) -> dict[str, float]:
    process = next(each for each in house.processes if each.name == "orchestrator")
    out = house.folder / "samples"
    watching = subprocess.Popen(
        [
            *(spy, "record", "--nonblocking", "-r", "100", "-f", "raw"),
            *("-d", str(int(SECONDS)), "-p", str(process.popen.pid), "-o", str(out)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    house.load("whole", concurrency, SECONDS)
    watching.wait(60)
    parts: Counter[str] = Counter()
    for line in out.read_text().splitlines() if out.exists() else []:
        stack, _, times = line.rpartition(" ")
        frames = stack.split(";")[::-1]
        # Its own threads wait for work most of the time, and the loop for events.
        if "selectors.py" in frames[0] or "_worker (concurrent" in frames[0]:
            continue
        parts[_part(frames)] += int(times)
    return {name: round(times / parts.total(), 3) for name, times in parts.most_common()}


def _part(frames: list[str]) -> str:
    for frame in frames:
        for name, marks in _PARTS:
            if any(mark in frame for mark in marks):
                return name
    return "the rest"
