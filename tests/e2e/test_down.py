"""`underpaint up` in the background of a script, and the ways to stop it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from pathlib import Path

from underpaint.sdk.discovery import read_running

from tests.e2e.conftest import COMMAND, PATIENCE_S, Stack, run_cli, until


def test_a_script_starts_it_in_the_background_and_stops_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    up = [*COMMAND, "up", "--no-cloud", "--edge-port", "0", "--data-dir", str(data)]
    # A shell that is no terminal's has its background ignore Ctrl-C, which is SIGINT; `nohup`
    # has it ignore SIGHUP, a terminal that is closed.
    script = f"trap '' HUP; {shlex.join(up)} & wait $!"
    with subprocess.Popen(
        ["bash", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as shell:
        running = until(lambda: read_running(data), "it runs")
        try:
            for number in (signal.SIGINT, signal.SIGHUP):
                os.kill(running.pid, number)
            assert run_cli("drafts", data_dir=data).code == 0
            assert read_running(data) == running
            ended = run_cli("down", data_dir=data)
            assert ended.code == 0, ended.err
            assert f"stopped `underpaint up` with process id {running.pid} and its edge" in (
                ended.out
            )
        finally:
            if read_running(data):
                os.kill(running.pid, signal.SIGKILL)
        assert shell.stdout is not None
        said = shell.stdout.read()
        assert shell.wait(PATIENCE_S) == 0
    assert f"`underpaint down` or `kill {running.pid}` stops it" in said
    assert "Ctrl-C" not in said
    assert "stopped; the data stays in" in said
    assert Stack(data).left() == set()
    assert "nothing runs" in run_cli("down", data_dir=data).out
