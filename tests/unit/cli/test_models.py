"""`underpaint models`: what it shows, what it refuses, and how it ends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from underpaint.cli.commands import models
from underpaint.cli.main import app
from underpaint.local import extras
from underpaint.local.bundled import model_directory


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
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("UNDERPAINT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments: object) -> Ended:
        result = CliRunner().invoke(app, ["models", *map(str, arguments)])
        assert "Traceback" not in result.output
        return Ended(result.exit_code, result.stdout, result.stderr)

    return run


def bundled(name: str = "lite") -> Path:
    directory = model_directory("edge" if name == "lite" else "cloud", name)
    assert directory is not None
    return directory


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The bundled Lite, to be harmed."""
    return shutil.copytree(bundled(), tmp_path / "lite")


def test_show_lists_every_thing_by_kind_and_the_figures(cli: Cli) -> None:
    shown = cli("show")
    assert shown.code == 0, shown.err
    known = json.loads((bundled() / "vocabulary.json").read_text())
    text = " ".join(shown.out.split())
    for thing in known["things"]:
        assert thing["word"] in text
        assert thing["kind"] in text
    for name in ("styles", "backgrounds"):
        assert f"{len(known[name])} {name}" in text
    for word in ("sums ok", "128 x 128", *known["examples"]):
        assert word in text


def test_show_as_json_has_all_of_it(cli: Cli) -> None:
    shown = cli("show", "lite", "--json")
    document = shown.json
    known = json.loads((bundled() / "vocabulary.json").read_text())
    assert [thing["word"] for thing in document["vocabulary"]["things"]] == [
        thing["word"] for thing in known["things"]
    ]
    assert document["sums"] == "ok"
    assert document["parameters"] > 1_000_000
    assert document["bytes"] == sum(p.stat().st_size for p in bundled().rglob("*") if p.is_file())


def test_show_lists_sizes_and_positions_where_a_model_has_them(
    cli: Cli, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = json.loads((copy / "vocabulary.json").read_text())
    known["sizes"] = [{"word": "big", "also": ["huge"]}]
    known["positions"] = [{"word": "left", "also": []}]
    (copy / "vocabulary.json").write_text(json.dumps(known))
    monkeypatch.setattr(models, "model_directory", lambda tier, name: copy)
    shown = cli("show", "lite")

    assert shown.code == 0
    text = " ".join(shown.out.split())
    assert "1 sizes big huge 1 positions left" in text
    assert "vocabulary.json was changed" in text  # the sums say so too


def test_show_full_gives_its_figures(cli: Cli) -> None:
    shown = cli("show", "full")
    assert shown.code == 0, shown.err
    assert "strength" in shown.out


def test_what_is_not_bundled_is_wrong_input(cli: Cli) -> None:
    assert cli("show", "medium").code == 2


def test_a_tier_that_is_not_installed_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "model_directory", lambda tier, name: None)
    shown = cli("show", "full")
    assert shown.code == 2
    assert "underpaint[cloud]" in shown.err
    assert cli("verify").code == 2


def test_both_bundled_models_are_as_they_were_made(cli: Cli) -> None:
    verified = cli("verify", "--json")
    assert verified.code == 0, verified.err
    assert [Path(one["directory"]).name for one in verified.json["models"]] == ["lite", "full"]
    assert "ok" in cli("verify").out


def test_a_changed_file_is_named_and_the_others_still_verified(cli: Cli, copy: Path) -> None:
    weights = next(copy.glob("transformer/*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    verified = cli("verify", copy, bundled())

    assert verified.code == 2
    assert f"error: {weights} was changed" in verified.err
    assert f"files in {bundled()}" in verified.out


def test_in_json_a_failure_is_in_the_document(cli: Cli, tmp_path: Path) -> None:
    verified = cli("verify", tmp_path, "--json")
    assert verified.code == 2
    (one,) = verified.json["models"]
    assert one["ok"] is False
    assert "is empty" in one["error"]


def test_eval_says_that_it_needs_the_repository(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "CHECKOUT", tmp_path)
    ended = cli("eval")
    assert ended.code == 2
    assert "checkout" in ended.err


def test_eval_names_the_packages_that_are_missing(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "missing", lambda extra: ["tqdm"] if extra == "training" else [])
    ended = cli("eval")
    assert ended.code == 2
    assert "tqdm missing; pip install -e '.[all,training]'" in ended.err
