"""All benchmarks, one after another; each prints a table and writes bench-out/NAME.json."""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = ("benchmarks.edge", "benchmarks.cloud", "benchmarks.path", "benchmarks.policy")


def main() -> int:
    """Runs each benchmark in its own process, so that none slows the next; returns 0 if all ran."""
    codes = [subprocess.run([sys.executable, "-m", name]).returncode for name in BENCHMARKS]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
