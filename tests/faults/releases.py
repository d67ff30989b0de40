"""The control planes of former releases, kept so that this one can be run beside them.

A release is a tar of its `proto/underpaint` and `orchestrator/underpaint`; `make keep-release`
makes the one of the version that is checked out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Final

KEPT: Final = Path(__file__).parents[1] / "data" / "releases"
RELEASES: Final = sorted(KEPT.glob("underpaint-*.tar.xz"))
ROOTS: Final = ("proto", "orchestrator")


def environ_of(release: Path, folder: Path) -> dict[str, str]:
    """An environment in which a process runs a release's code, unpacked into a folder."""
    with tarfile.open(release) as packed:
        packed.extractall(folder, filter="data")
    environ = {"PYTHONPATH": os.pathsep.join(str(folder / root) for root in ROOTS)}
    told = subprocess.run(
        [sys.executable, "-c", "import underpaint.orchestrator as one; print(one.__file__)"],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.startswith(str(folder)), "it would run this version, not the release"
    return environ
