"""Paths as people write them: what no shell has replaced, and users without a home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from underpaint.cloud.settings import Settings as CloudSettings
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.paths import expanded
from underpaint.edge.settings import Settings as EdgeSettings
from underpaint.orchestrator.settings import Settings as OrchestratorSettings
from underpaint.sdk.settings import Settings as ClientSettings

ALL = {
    "UNDERPAINT_": ClientSettings,
    "UNDERPAINT_EDGE_": EdgeSettings,
    "UNDERPAINT_CLOUD_": CloudSettings,
    "UNDERPAINT_ORCHESTRATOR_": OrchestratorSettings,
}
HOMELESS = """
import os, pwd, runpy, sys
os.environ.pop("HOME", None)
def nobody(uid): raise KeyError(f"getpwuid(): uid not found: {uid}")
pwd.getpwuid = nobody
module, *sys.argv[1:] = sys.argv[1:]
runpy.run_module(module, run_name="__main__")
"""


def test_a_tilde_is_a_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert expanded(Path("~/x")) == Path("/home/ada/x")
    assert expanded(Path("x/~")) == Path("x/~")
    with pytest.raises(InvalidRequest, match="~nobody-at-all/x cannot be found"):
        expanded(Path("~nobody-at-all/x"))


@pytest.mark.parametrize("prefix", ALL)
def test_every_path_of_every_tiers_environment_is_expanded(
    prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    settings = ALL[prefix]
    names = [n for n, field in settings.model_fields.items() if "Path" in str(field.annotation)]
    assert {"data_dir", "token_file"} <= set(names)
    for name in names:
        monkeypatch.setenv(f"{prefix}{name.upper()}", f"~/{name}")
    made = settings()
    for name in names:
        assert getattr(made, name) == Path(f"/home/ada/{name}")


@pytest.mark.parametrize(("prefix", "settings"), list(ALL.items())[1:3])
def test_a_model_is_a_directory_or_a_name(
    prefix: str,
    settings: type[EdgeSettings | CloudSettings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    for given, meant in (("~/model", "/home/ada/model"), ("owner/name", "owner/name")):
        monkeypatch.setenv(f"{prefix}MODEL", given)
        assert settings().model == meant


@pytest.mark.parametrize("settings", [EdgeSettings, CloudSettings])
def test_a_tiers_own_place_is_below_the_home_directory(
    settings: type[EdgeSettings | CloudSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert Path("/home/ada/.local/share/underpaint") in settings().data_dir.parents


@pytest.mark.parametrize("tier", ["edge", "cloud", "orchestrator"])
def test_a_tier_tells_of_itself_without_a_home_directory(tier: str) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("UNDERPAINT_")}
        return subprocess.run(
            [sys.executable, "-c", HOMELESS, f"underpaint.{tier}", *words],
            env=kept,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert run("--help").returncode == 0
    refused = run("--data-dir", "~/x")
    assert refused.returncode == 2
    assert "there is no home directory for the ~" in refused.stderr
    assert refused.stderr.count("\n") == 1
