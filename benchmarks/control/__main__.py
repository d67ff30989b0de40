"""`make bench-control`: the control plane beside LiteLLM's proxy, with a million promotions in
the store, and where its time goes. Prints tables, writes bench-out/control.json.

Both sides have a budget and the same stub engine behind them; clients are closed loops in a
process of their own; rounds are interleaved; figures are medians of rounds; both sides have as
many processes. Ours acknowledges nothing that is not on disk (`appendfsync always`); LiteLLM
keeps its budget in memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from rich.console import Console
from rich.table import Table

from benchmarks.control import costs, scale
from benchmarks.control.houses import (
    LITELLM_CONFIG,
    VENV,
    House,
    LiteLlm,
    Ours,
    ended,
    install_litellm,
)

OUT: Final = Path("bench-out/control.json")
CONCURRENCIES: Final = (1, 32)
PROCESSES: Final = (1, 2)  # orchestrators on our side, workers on LiteLLM's
WHOLE, ADMISSION, GATEWAY = "whole", "admission", "litellm"
IN_WORDS: Final = {
    WHOLE: "quote, promote, settle",
    ADMISSION: "admission alone",
    GATEWAY: "LiteLLM",
}

H = TypeVar("H", bound=House)


@dataclass(slots=True)
class Rounds:
    """The measurements of one side at one concurrency, by round."""

    per_second: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    client_cpu: list[float] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=dict)
    failed: int = 0

    def row(self) -> dict[str, Any]:
        """The medians, and the slowest and fastest round."""
        return {
            "per_second": round(statistics.median(self.per_second), 1),
            "lowest": round(min(self.per_second), 1),
            "highest": round(max(self.per_second), 1),
            "p50_ms": round(statistics.median(self.p50), 1),
            "p99_ms": round(statistics.median(self.p99), 1),
            "client_cpu_cores": round(statistics.median(self.client_cpu), 2),
            "parts_p50_ms": {
                name: round(statistics.median(values), 1) for name, values in self.parts.items()
            },
            "failed": self.failed,
        }


def side_by_side(base: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Measures both sides with as many processes each, at every concurrency, interleaved."""
    version = install_litellm()

    def made(kind: type[H], name: str) -> H:
        return kind(name=name, folder=Path(tempfile.mkdtemp(dir=base)))

    gateways = {count: made(LiteLlm, f"litellm-{count}") for count in PROCESSES}
    whole = {count: made(Ours, f"ours-{count}") for count in PROCESSES}
    admission = {count: made(Ours, f"admission-{count}") for count in PROCESSES}
    results: dict[tuple[str, int, int], Rounds] = {}
    with ended(*gateways.values(), *whole.values(), *admission.values()):
        sides: list[tuple[str, int, House]] = []
        for count in PROCESSES:
            gateways[count].start(count)
            whole[count].start_redis()
            whole[count].start_engine()
            whole[count].start(count, 32)
            admission[count].start_redis()
            admission[count].start(count, 0)
            sides += [
                (GATEWAY, count, gateways[count]),
                (WHOLE, count, whole[count]),
                (ADMISSION, count, admission[count]),
            ]
        for number in range(given.rounds):
            print(f"round {number + 1} of {given.rounds} ...", flush=True)
            for concurrency in CONCURRENCIES:
                for what, count, house in sides:
                    seen, _ = house.load(what, concurrency, given.seconds)
                    rounds = results.setdefault((what, count, concurrency), Rounds())
                    times = sorted(seen.ms.get("all", [0.0]))
                    rounds.per_second.append(len(times) / seen.seconds)
                    rounds.p50.append(statistics.median(times))
                    rounds.p99.append(times[int(0.99 * (len(times) - 1))])
                    rounds.client_cpu.append(seen.cpu_s / seen.seconds)
                    rounds.failed += seen.failed
                    for part, values in seen.ms.items():
                        rounds.parts.setdefault(part, []).append(statistics.median(values))
        print("rounds are over; the profile ...", flush=True)
        told = {str(c): costs.profile(whole[PROCESSES[-1]], c) for c in CONCURRENCIES}
        told["disk"] = asyncio.run(costs.disk(whole[PROCESSES[-1]].folder))
    rows = [
        {"what": what, "processes": count, "concurrency": concurrency} | rounds.row()
        for (what, count, concurrency), rounds in results.items()
    ]
    return {"litellm": version, "rows": rows, "profile": told}


def verdicts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The ratios at the highest number of clients, with equally many processes on both sides."""
    busy = {
        (row["what"], row["processes"]): row
        for row in rows
        if row["concurrency"] == CONCURRENCIES[-1]
    }
    return [
        {
            "what": what,
            "processes": count,
            "throughput": round(
                busy[what, count]["per_second"] / busy[GATEWAY, count]["per_second"], 2
            ),
            "throughput_target": least,
            "p99": round(busy[what, count]["p99_ms"] / busy[GATEWAY, count]["p99_ms"], 2),
            "p99_target": 0.33,
        }
        for count in PROCESSES
        for what, least in ((WHOLE, 3.0), (ADMISSION, 6.0))
    ]


def show(results: dict[str, Any], console: Console) -> None:
    """Prints tables of the results so far."""
    if "side_by_side" in results:
        beside = results["side_by_side"]
        table = Table(
            *(
                "what",
                "processes",
                "clients",
                "a second",
                "slowest..fastest",
                "p50",
                "p99",
                "client CPU",
            ),
            title=f"Side by side with LiteLLM {beside['litellm']}",
        )
        for row in beside["rows"]:
            table.add_row(
                IN_WORDS[row["what"]],
                str(row["processes"]),
                str(row["concurrency"]),
                f"{row['per_second']:.0f}",
                f"{row['lowest']:.0f}..{row['highest']:.0f}",
                f"{row['p50_ms']:.1f} ms",
                f"{row['p99_ms']:.1f} ms",
                f"{row['client_cpu_cores']:.2f} cores",
            )
        console.print(table)
        table = Table("beside LiteLLM, 32 clients", "processes each", "throughput", "p99")
        for each in beside["verdicts"]:
            table.add_row(
                IN_WORDS[each["what"]],
                str(each["processes"]),
                f"{each['throughput']} (target ≥ {each['throughput_target']:g})",
                f"{each['p99']} (target ≤ {each['p99_target']})",
            )
        console.print(table)
        told = beside["profile"]
        table = Table("where a promotion's time goes", "1 client", "32 clients")
        both = [told[str(c)] for c in CONCURRENCIES]
        for name in both[0]["cpu_ms_each"]:
            table.add_row(
                f"CPU of {name}", *(f"{each['cpu_ms_each'][name]:.2f} ms" for each in both)
            )
        for name in both[1].get("python_shares", {}):
            table.add_row(
                f"orchestrator: {name}",
                *(f"{100 * each['python_shares'].get(name, 0):.0f} %" for each in both),
            )
        table.add_row("scripts", *(f"{each['scripts_each']:.1f}" for each in both))
        table.add_row("one script in Redis", *(f"{each['script_us']:.0f} us" for each in both))
        for name, value in told["disk"].items():
            table.add_row(name.removesuffix("_ms").replace("_", " "), f"{value:.2f} ms", "")
        console.print(table)
    if "scale" in results:
        grown = results["scale"]
        table = Table(f"with {grown['promotions']:,} promotions", "measured", "target")
        for name, key in (("finished", "promote_ms"), ("archived", "promote_ms_archived")):
            each = grown[key]
            table.add_row(
                f"Promote's p50 / that with 1,000, {name}",
                f"{each['ratio']} ({each['large_p50']} / {each['small_p50']} ms)",
                "≤ 1.1",
            )
        table.add_row("bytes in Redis of one, finished", f"{grown['bytes_each']:,}", "")
        table.add_row("bytes in Redis of one, archived", f"{grown['bytes_each_archived']:,}", "")
        console.print(table)


def main() -> None:
    """Runs the chosen measurements; results of others stay in the file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.control", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of one measurement")
    parser.add_argument("--promotions", type=int, default=1_000_000, help="in the large store")
    parser.add_argument("--only", choices=["side_by_side", "scale"])
    given = parser.parse_args()
    OUT.parent.mkdir(exist_ok=True)
    results: dict[str, Any] = json.loads(OUT.read_text()) if OUT.exists() else {}
    VENV.mkdir(exist_ok=True)
    # Not under /tmp, which may be memory: an fsync there costs nothing.
    with tempfile.TemporaryDirectory(dir=VENV, prefix="control-") as folder:
        base = Path(folder).resolve()
        if given.only in (None, "side_by_side"):
            beside = side_by_side(base, given)
            results["side_by_side"] = beside | {
                "verdicts": verdicts(beside["rows"]),
                "cores": os.cpu_count(),
                "rounds": given.rounds,
                "seconds": given.seconds,
                "litellm_config": LITELLM_CONFIG,
            }
            OUT.write_text(json.dumps(results, indent=2) + "\n")  # before anything else can end
        if given.only in (None, "scale"):
            results["scale"] = scale.measure(base, given.promotions)
    OUT.write_text(json.dumps(results, indent=2) + "\n")
    show(results, Console())


if __name__ == "__main__":
    main()
