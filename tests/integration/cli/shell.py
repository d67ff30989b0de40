"""The command line as a shell starts it: a process of its own, with streams as they come."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 120.0


@dataclass(frozen=True)
class Said:
    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        return (self.out + self.err).decode(errors="replace")


Shell = Callable[..., Said]


def shell(line: str, environ: Mapping[str, str], cwd: Path) -> Said:
    """Runs a line of bash, in which `underpaint` is the command of this checkout.

    Nothing it writes may be a traceback, or a complaint of the interpreter at its end.
    """
    command = f'underpaint() {{ {shlex.quote(sys.executable)} -m underpaint.cli "$@"; }}'
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("UNDERPAINT_", "PYTHONIO"))}
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}; {line}"],
        env=kept | dict(environ),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    said = Said(done.returncode, done.stdout, done.stderr)
    for trouble in ("Traceback", "Exception ignored", "UNDERPAINT_DEBUG=1", "Fatal Python error"):
        assert trouble not in said.text, said.text
    return said
