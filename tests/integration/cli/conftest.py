from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from underpaint.cli.main import app

from tests.integration.sdk.stubs import Stubs


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Ended]


@pytest.fixture
def cli(stubs: Stubs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs the command line against the stubs."""
    monkeypatch.setenv("UNDERPAINT_EDGE", stubs.edge_address)
    monkeypatch.setenv("UNDERPAINT_ORCHESTRATOR", stubs.orchestrator_address)
    monkeypatch.setenv("UNDERPAINT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return run_cli


def run_cli(*arguments: object) -> Ended:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert "Traceback" not in result.output
    return Ended(result.exit_code, result.stdout, result.stderr)
