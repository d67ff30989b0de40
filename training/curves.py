"""Draw the losses of all runs in one small picture.

python -m training.curves
"""

from __future__ import annotations

import argparse
import json

import matplotlib.pyplot as plt

from training.loop import RUNS
from training.sheet import SHEETS


def main() -> None:
    """Loss against minutes, one panel a run."""
    argparse.ArgumentParser(description=main.__doc__).parse_args()
    runs = {}
    for log in sorted(RUNS.glob("*/log.jsonl"), key=lambda path: path.stat().st_mtime):
        records = [json.loads(line) for line in log.read_text().splitlines()]
        # The first steps would stretch the axis, and a run that is younger has no curve yet.
        if later := [record for record in records if record["step"] > 100]:
            runs[log.parent.name] = later
    if not runs:
        raise SystemExit(f"no run under {RUNS} has come past step 100; there is nothing to draw")
    figure, panels = plt.subplots(1, len(runs), figsize=(3.2 * len(runs), 2.4), squeeze=False)
    for (name, records), panel in zip(runs.items(), panels[0], strict=True):
        panel.plot([r["step"] for r in records], [r["loss"] for r in records], linewidth=0.9)
        panel.set_title(f"{name}, {records[-1]['seconds'] / 60:.0f} min", fontsize=9)
        panel.set_xlabel("steps", fontsize=8)
        # A flow loss may fall below nothing: other pictures' velocities are subtracted.
        if min(r["loss"] for r in records) > 0:
            panel.set_yscale("log")
        panel.tick_params(labelsize=7, which="both")
    figure.tight_layout()
    SHEETS.mkdir(exist_ok=True)
    figure.savefig(SHEETS / "loss.png", dpi=90)


if __name__ == "__main__":
    main()
