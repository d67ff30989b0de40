"""The front page keeps its word: what it tells people to type works."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from underpaint.contract.checkpoints import check_directory

from tests.e2e.conftest import COMMAND, PATIENCE_S, Stack

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def shell_lines() -> list[str]:
    return [line for kind, text in BLOCKS if kind == "bash" for line in text.splitlines() if line]


def tour() -> list[list[str]]:
    """The commands for the second terminal: all of them but the ways to start."""
    lines = (shlex.split(line, comments=True) for line in shell_lines())
    return [words[1:] for words in lines if words[0] == "underpaint" and words[1] != "up"]


def starts() -> list[list[str]]:
    """Each way to start a service: its module's words and its flags."""
    lines = (shlex.split(line, comments=True) for line in shell_lines())
    return [words for words in lines if "up" in words[:2] or words[0] == "python"]


def test_the_tour_works_from_the_first_line_to_the_last(stack: Stack, tmp_path: Path) -> None:
    ids: dict[str, str] = {}
    for words in tour():
        words = [ids.get(word, word) for word in words]
        words = [str(tmp_path / word) if word.endswith(".png") else word for word in words]
        answer = stack.ok(*words)
        if words[0] == "draft":
            ids["DRAFT"] = answer["drafts"][0]["id"]
        if words[0] == "promote":
            ids["PROMOTION"] = answer["id"]
    assert set(ids) == {"DRAFT", "PROMOTION"}
    assert (tmp_path / "final.png").stat().st_size > 10_000


def test_the_python_example_runs(stack: Stack) -> None:
    (example,) = (text for kind, text in BLOCKS if kind == "python")
    addresses = stack.state["addresses"]
    done = subprocess.run(
        [sys.executable, "-c", example],
        env=os.environ
        | {
            "UNDERPAINT_EDGE": addresses["edge"],
            "UNDERPAINT_ORCHESTRATOR": addresses["orchestrator"],
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("settled")


@pytest.mark.parametrize("words", starts(), ids=" ".join)
def test_every_way_to_start_has_its_flags(words: Sequence[str]) -> None:
    if words[0] == "python":
        command = [sys.executable, "-m", words[2], "--help"]
    else:
        command = [*COMMAND, "up", "--help"]
    shown = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
        env=os.environ | {"COLUMNS": "200"},
    ).stdout
    for flag in (word for word in words if word.startswith("--")):
        assert flag in shown


def test_every_file_it_names_is_there() -> None:
    names = re.findall(r"\]\(([^)#:]+)\)", README)
    assert names
    assert [name for name in names if not (ROOT / name).exists()] == []
    check_directory(ROOT / "edge/underpaint/edge/models/lite")
    check_directory(ROOT / "cloud/underpaint/cloud/models/full")
