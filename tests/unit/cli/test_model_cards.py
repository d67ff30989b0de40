"""`underpaint models inspect` and `card`: what they show, write and refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import make
from tests.unit.cli.test_models import Cli, cli
from tests.unit.engines.test_forms import FLUX, write
from tests.unit.engines.test_loras import LORAS

__all__ = ["cli"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("flux-schnell", tmp_path_factory.mktemp("models") / "fox")


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    """A tiny FLUX, to be changed; its weights are shared."""
    folder = tmp_path / "fox"
    for path in made.rglob("*"):
        place = folder / path.relative_to(made)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        elif path.suffix == ".json":
            place.write_bytes(path.read_bytes())
        else:
            place.hardlink_to(path)
    return folder


def test_inspect_says_what_a_model_is_and_what_it_will_be_called_with(
    cli: Cli, model: Path
) -> None:
    shown = cli("inspect", model)
    assert shown.code == 0, shown.err
    text = " ".join(shown.out.split())
    for words in ("FLUX.1", "diffusers directory", "FluxPipeline", "steps 4 known", "takes"):
        assert words in text
    document = cli("inspect", model, "--json").json
    assert document["family"] == "flux"
    assert document["called"]["steps"]["value"] == "4"
    assert document["called"]["steps"]["sure"] == "known"
    assert document["called"]["guidance"]["value"] == "0"
    assert document["parameters"] > 1000
    assert document["dtypes"] == ["F32"]
    assert document["takes"]["LoRAs"] == "yes"


def test_a_card_is_written_and_holds(cli: Cli, model: Path) -> None:
    written = cli("card", model, "--steps", 6, "--guidance", 1.5, "--size", 96)
    assert written.code == 0, written.err
    assert str(model / "underpaint.json") in written.out
    assert cli("card", model, "--name", "red fox").code == 0
    document = cli("inspect", model, "--json").json
    assert document["name"] == "red fox"
    facts = {key: (each["value"], each["why"]) for key, each in document["called"].items()}
    assert facts["steps"] == ("6", "as its card says")
    assert facts["guidance"] == ("1.5", "as its card says")
    assert facts["size"] == ("96 x 96", "as its card says")
    assert document["card"] == str(model / "underpaint.json")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--steps", 0], "0 steps"),
        (["--guidance", "-1"], "guidance of -1"),
        (["--strength", "2"], "strength of 2"),
        (["--scheduler", "eulr"], "'eulr' is none"),
        ([], "nothing to write"),
    ],
)
def test_a_wrong_number_is_one_line_and_nothing_is_written(
    cli: Cli, model: Path, options: list[object], told: str
) -> None:
    ended = cli("card", model, *options)
    assert ended.code == 2
    assert told in ended.err
    assert ended.err.count("\n") == 1
    assert not (model / "underpaint.json").exists()


def test_a_few_step_model_that_nobody_knows_is_shown_as_unknown(cli: Cli, model: Path) -> None:
    config = model / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"guidance_embeds": True}))
    turbo = model.rename(model.with_name("fox-turbo"))
    document = cli("inspect", turbo, "--json").json
    steps = document["called"]["steps"]
    assert steps["sure"] == "unknown"
    assert "underpaint models card" in steps["why"]
    assert f"underpaint models card {turbo} --steps 4" in " ".join(
        cli("inspect", turbo).out.split()
    )
    assert cli("card", turbo, "--steps", 8, "--guidance", 3.5).code == 0
    assert cli("inspect", turbo, "--json").json["called"]["steps"]["value"] == "8"


def test_loras_beside_a_model_are_told(cli: Cli, model: Path) -> None:
    lora = write(model / "style.safetensors", LORAS["flux"][0])
    shown = cli("inspect", model)
    assert str(lora) in shown.out
    assert "only used if they are given with --lora" in " ".join(shown.out.split())


def test_the_card_of_a_hub_id_is_kept_in_the_data_directory(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    written = cli("card", "ann/fox", "--steps", 4, "--guidance", 0)
    assert written.code == 0, written.err
    card = json.loads((tmp_path / "data" / "cards" / "ann--fox.json").read_text())
    assert card == {"name": "ann/fox", "num_inference_steps": 4, "guidance_scale": 0.0}
    # To look into it, it must be here.
    ended = cli("inspect", "ann/fox")
    assert ended.code == 2
    assert "cannot be fetched from the hub" in ended.err


def test_a_file_that_lacks_parts_gets_them_from_its_base(
    cli: Cli, model: Path, tmp_path: Path
) -> None:
    file = write(tmp_path / "finetune.safetensors", FLUX)
    ended = cli("inspect", file)
    assert ended.code == 2
    assert f"underpaint models card {file} --base DIR" in ended.err
    assert cli("card", file, "--base", model).code == 0
    document = cli("inspect", file, "--json").json
    assert document["family"] == "flux"
    assert document["form"] == "single .safetensors file"


@pytest.mark.parametrize("command", ["inspect", "card"])
def test_what_is_no_model_is_one_line(cli: Cli, tmp_path: Path, command: str) -> None:
    options = ["--steps", 1] * (command == "card")
    ended = cli(command, tmp_path / "nothing", *options)
    assert ended.code == 2
    assert "there is no model" in ended.err
    assert ended.err.count("\n") == 1


def test_a_model_is_looked_over_without_torch(model: Path) -> None:
    program = (
        "import sys\n"
        "for name in ('torch', 'diffusers', 'transformers', 'huggingface_hub'):\n"
        "    sys.modules[name] = None\n"
        "from underpaint.engines.inspection import inspect_model\n"
        f"print(inspect_model({str(model)!r}).family)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "flux\n", done.stderr
