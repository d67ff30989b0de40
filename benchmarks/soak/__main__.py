"""`make soak`: runs the faults of tests/faults in a random mix for a given time, then checks all.

Three orchestrators on one Redis; artists of several teams, each project with a small budget
of its own, promote, cancel, watch, retry and replay; meanwhile processes are killed and
stalled, connections are cut, replies are lost, the engine is slow, breaks and dies. The seed
fixes what is done in which order, not how the processes interleave.

`python -m benchmarks.soak --minutes 10 --seed 7` exits with 0 only if every promotion that was
acknowledged ended once, nothing was charged twice, no budget was exceeded after any entry of
the ledger, nothing is left unfinished and the ledger adds up to the balances. It needs a
checkout: the processes and the questions are those of tests/faults.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.soak.run import soak_for

OUT: Final = Path("bench-out")
ZERO: Final = (
    "lost",
    "charged_twice",
    "budget_breaches",
    "unfinished_leases",
    "fold_mismatches",
    "missing_artifacts",
    "wrong_answers",
)


def main() -> int:
    """Runs the soak, prints the verdict, writes bench-out/soak.json; returns 0 if all is right."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="underpaint-soak-") as folder:
        result = asyncio.run(soak_for(60 * given.minutes, given.seed, Path(folder)))
    OUT.mkdir(exist_ok=True)
    (OUT / "soak.json").write_text(json.dumps(result, indent=2) + "\n")
    table = Table(title=f"A soak of {given.minutes:g} minutes, seed {given.seed}")
    table.add_column("what")
    table.add_column("how many", justify="right")
    for name in ("acknowledged", "ended", *ZERO, "pictures_drawn", "artists", "faults"):
        value = result[name]
        rows = value.items() if isinstance(value, dict) else [(name.replace("_", " "), value)]
        for what, many in rows:
            table.add_row(str(what), str(many))
        if name in ("ended", ZERO[-1], "artists"):
            table.add_section()
    console = Console()
    console.print(table)
    kept = not any(result[name] for name in ZERO)
    details = result["details"]
    for detail in details[:20] if isinstance(details, list) else ():
        console.print(detail, markup=False, soft_wrap=True)
    console.print("every promise was kept" if kept else "PROMISES WERE BROKEN")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
