"""The house rules: no tier drags in another's weight, and no file is too long to read at once."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
MOST_LINES = 350


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


def test_no_file_of_ours_is_too_long_to_read_at_once() -> None:
    """Generated files are read by nobody."""
    listed = subprocess.run(
        [
            "git",
            "ls-files",
            "-z",
            "--",
            "*.py",
            "*.lua",
            "*.proto",
            "*.md",
            "*.sh",
            "*.yaml",
            "Makefile",
        ],
        check=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    lengths = {
        name: len((ROOT / name).read_text().splitlines())
        for name in listed.stdout.split("\0")
        if name and "_pb2" not in name and (ROOT / name).exists()
    }
    assert len(lengths) > 100
    long = {name: lines for name, lines in lengths.items() if lines > MOST_LINES}
    assert not long, f"cut by concern what is longer than {MOST_LINES} lines: {long}"
