"""The README and the pages keep their word: what they tell people to type works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import PATIENCE_S, Stack, run_cli
from tests.pages import RUN, blocks, starts_something

PAGES = sorted({block.page for block in blocks(RUN)})
# The page of contributors has an engine, which is no program.
PROGRAMS = blocks("python", page="README.md") + blocks("python", page="docs/developer.md")
FILES = (".png", ".jpg", ".csv", ".yaml", "-tls")


def tour(page: str) -> list[list[str]]:
    """The commands for the second terminal: all of them but the ways to start."""
    every = [words for block in blocks(RUN, page=page) for words in block.commands]
    return [
        words[1:] for words in every if words[0] == "underpaint" and not starts_something(words)
    ]


def test_the_pages_that_are_run_are_those_of_who_uses_it() -> None:
    assert PAGES == ["README.md", "docs/artist.md", "docs/operator.md"]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_works_from_the_first_line_to_the_last(
    stack: Stack, tmp_path: Path, page: str
) -> None:
    for example in blocks("yaml", page=page):
        if example.text.startswith("rules:"):
            (tmp_path / "my-policy.yaml").write_text(example.text)
    (draft, *_) = stack.ok("draft", "a red fox", "-n", "1", "--seed", "1")["drafts"]
    ids = {"DRAFT": draft["id"]}
    for words in tour(page):
        words = [ids.get(word, word) for word in words]
        words = [str(tmp_path / word) if word.endswith(FILES) else word for word in words]
        if words[0] in ("callers", "certs"):
            # Of a house of its own: from the first caller on, this one's would need tokens.
            ended = run_cli(*words, data_dir=tmp_path / "data")
            assert ended.code == 0, ended.err
            continue
        answer = stack.ok(*words)
        if words[0] == "draft":
            ids["DRAFT"] = answer["drafts"][0]["id"]
        if words[0] == "promote":
            ids["PROMOTION"] = answer["id"]
            assert (tmp_path / "final.png").stat().st_size > 10_000


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_an_example_in_python_runs(stack: Stack, number: int) -> None:
    addresses = stack.state["addresses"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAMS[number].text],
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
    said = done.stdout.splitlines()
    if "PrivacyViolation" in PROGRAMS[number].text:
        assert said[-1].startswith("stays here:")
    elif "receipt" in PROGRAMS[number].text:
        assert said[-1].startswith("charged")
    elif ".watch(" in PROGRAMS[number].text:
        assert said[-1].startswith("settled")
    else:
        assert said[-1].endswith("bytes")
