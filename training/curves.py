"""Draw the losses of all runs in one small picture.

python -m training.curves
"""

from __future__ import annotations

import argparse
import json

import matplotlib.pyplot as plt

from training.judge import SHEETS
from training.loop import RUNS


def main() -> None:
    """Loss against minutes, one panel a run."""
    argparse.ArgumentParser(description=main.__doc__).parse_args()
    logs = sorted(RUNS.glob("*/log.jsonl"), key=lambda path: path.stat().st_mtime)
    figure, panels = plt.subplots(1, len(logs), figsize=(3.2 * len(logs), 2.4), squeeze=False)
    for log, panel in zip(logs, panels[0], strict=True):
        records = [json.loads(line) for line in log.read_text().splitlines()]
        records = [record for record in records if record["step"] > 100]
        panel.plot([r["step"] for r in records], [r["loss"] for r in records], linewidth=0.9)
        panel.set_title(f"{log.parent.name}, {records[-1]['seconds'] / 60:.0f} min", fontsize=9)
        panel.set_xlabel("steps", fontsize=8)
        panel.set_yscale("log")
        panel.tick_params(labelsize=7, which="both")
    figure.tight_layout()
    SHEETS.mkdir(exist_ok=True)
    figure.savefig(SHEETS / "loss.png", dpi=90)


if __name__ == "__main__":
    main()
