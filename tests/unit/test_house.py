"""The house rules that a user of one tier depends on: no tier drags in another's weight."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def installed_with(extra: str) -> set[str]:
    """Every distribution that `pip install underpaint[extra]` brings, followed to the end."""
    seen: set[tuple[str, str]] = set()
    todo = [("underpaint", extra)]
    while todo:
        name, wanted = todo.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        try:
            requirements = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for text in requirements:
            requirement = Requirement(text)
            if requirement.marker and not requirement.marker.evaluate({"extra": wanted}):
                continue
            for inner in ("", *requirement.extras):
                todo.append((canonicalize_name(requirement.name), inner))
    return {name for name, _ in seen}


@pytest.mark.parametrize(
    ("extra", "wanted", "unwanted"),
    [
        ("edge", {"torch", "diffusers"}, {"ray", "redis", "ncnn"}),
        ("orchestrator", {"redis", "pyyaml"}, {"ray", "torch", "diffusers", "ncnn"}),
        ("cloud", {"ray", "torch", "diffusers", "ncnn"}, {"redis"}),
        ("sdk", {"typer", "rich"}, {"ray", "torch", "diffusers", "redis"}),
    ],
)
def test_an_extra_installs_its_own_tier_only(
    extra: str, wanted: set[str], unwanted: set[str]
) -> None:
    names = installed_with(extra)
    assert wanted <= names
    assert not unwanted & names


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("underpaint.edge.__main__", ("ray", "redis", "typer")),
        ("underpaint.orchestrator.__main__", ("ray", "torch", "diffusers", "typer")),
        ("underpaint.cloud.__main__", ("redis", "typer")),
        ("underpaint.cli.main", ("ray", "torch", "diffusers", "redis", "yaml")),
    ],
)
def test_a_tier_imports_where_only_its_extra_is_installed(
    module: str, absent: tuple[str, ...]
) -> None:
    hide = f"import sys; sys.modules.update(dict.fromkeys({absent!r}))"
    subprocess.run([sys.executable, "-c", f"{hide}; import {module}"], check=True, cwd=ROOT)
