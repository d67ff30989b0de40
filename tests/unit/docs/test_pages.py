"""What the pages tell people to type is there, with the arguments that they name."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from underpaint.cli.main import app
from underpaint.engines.checkpoints import check_directory
from underpaint.local import authority
from underpaint.orchestrator.callers import BUILT_IN, read_callers
from underpaint.orchestrator.policy.cost import MAX_LOOPS
from underpaint.orchestrator.policy.expressions import MAX_LENGTH
from underpaint.orchestrator.policy.isolated import MEMORY_MIB
from underpaint.orchestrator.policy.reading import MAX_BYTES, MAX_RULES, parse_policy

from tests.pages import PAGES, ROOT, RUN, SHOWN, Block, blocks

TYPED = blocks(RUN, SHOWN)
COMMANDS = [(block.page, words) for block in TYPED for words in block.commands]
KNOWN = {"bash", "sh", "python", "yaml", "mermaid", "{toctree}", "{raw}", "{eval-rst}"}
KNOWN |= {"{layers}", "{rooms}", "{roles}", "{flags}", "{commands}", "{families}"}


def parse(words: list[str]) -> None:
    """Fails unless `underpaint` knows the command and takes these arguments."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("underpaint", words[1:])
    while hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        if not rest:
            return
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)


def start(words: list[str], folder: Path) -> None:
    """Fails unless an orchestrator with these flags lacks a Redis, and nothing else."""
    authority.init(folder / "tls", ["studio.example"], days=1)
    (folder / "token").write_text("secret-of-the-house")
    names = {"HOST:PORT": "127.0.0.1:9", "DIR": folder, "TOKEN": folder / "token"}
    names |= {"TLS_DIR": folder / "tls", "redis://127.0.0.1:6379/0": "redis://127.0.0.1:1/0"}
    given = [str(names.get(word, word)) for word in words[1:]]
    if "--redis-url" not in given:
        given += ["--redis-url", "redis://127.0.0.1:1/0"]
    done = subprocess.run(
        [sys.executable, *given, "--redis-wait-s", "0"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "redis" in done.stderr.lower()) == (4, True), done.stderr


@pytest.mark.parametrize(("page", "words"), COMMANDS, ids=lambda value: "".join(value[:60]))
def test_every_command_is_there_and_takes_its_arguments(
    page: str, words: list[str], tmp_path: Path
) -> None:
    if words[0] == "underpaint":
        parse(words)
    elif words[:3] == ["python", "-m", "underpaint.orchestrator"]:
        start(words, tmp_path)
    elif words[0] == "make":
        made = (ROOT / "Makefile").read_text()
        for word in words[1:]:
            name, is_variable, _ = word.partition("=")
            assert re.search(rf"^{name} \?=" if is_variable else rf"^{name}:", made, re.MULTILINE)
    elif words[0] == "serve":
        assert entry_points(group="console_scripts", name="serve")
        assert (ROOT / words[-1]).exists()
    else:
        assert words[:2] == ["pip", "install"], f"{page}: nothing checks {words}"


def test_a_command_that_is_not_there_is_found() -> None:
    for wrong in (["underpaint", "sped"], ["underpaint", "draft", "x", "--sed", "1"]):
        with pytest.raises(Exception, match=r"sped|sed"):
            parse(wrong)


def test_every_block_is_of_a_kind_that_something_checks() -> None:
    found = re.compile(r"^```([^\s`]+)", re.MULTILINE)
    kinds = {(str(page), kind) for page in PAGES for kind in found.findall(page.read_text())}
    assert {(page, kind) for page, kind in kinds if kind not in KNOWN} == set()


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: block.page)
def test_every_policy_and_list_of_callers_is_taken(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "example.yaml"
    file.write_text(block.text)
    if "rules" in yaml.safe_load(block.text):
        assert parse_policy(block.text, file, {"full"}, BUILT_IN).rules
    else:
        assert read_callers(file)


def test_every_example_in_python_has_the_right_types(tmp_path: Path) -> None:
    examples = blocks("python")
    for number, example in enumerate(examples):
        (tmp_path / f"example_{number}.py").write_text(example.text)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", ROOT / ".mypy_cache", *tmp_path.iterdir()],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    linked = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    assert [name for name in linked if not (page.parent / name).exists()] == []
    top = "|".join(sorted(each.name for each in ROOT.iterdir() if each.is_dir()))
    named = re.findall(rf"`((?:{top})/[\w./*-]+)`", text)
    assert [name for name in named if not list(ROOT.glob(name))] == []


def test_the_bundled_models_are_whole() -> None:
    check_directory(ROOT / "edge/underpaint/edge/models/lite")
    check_directory(ROOT / "cloud/underpaint/cloud/models/full")


def test_the_bounds_on_policies_are_those_that_are_held() -> None:
    page = " ".join((ROOT / "docs/operator.md").read_text().split())
    assert f"at most {MAX_RULES} rules and {MAX_BYTES // 1024} KiB, {MAX_LENGTH:,} char" in page
    assert MAX_LOOPS == 2
    assert "two loops inside one another" in page
    assert f"with {MEMORY_MIB} MiB of memory" in page
