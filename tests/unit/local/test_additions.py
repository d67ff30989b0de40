"""What is added to the models of `up`, single files, and where cards are found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner
from underpaint.cli.main import app
from underpaint.contract.errors import InvalidModel, InvalidRequest
from underpaint.engines.cards import read_card
from underpaint.engines.forms import find
from underpaint.engines.options import Options
from underpaint.local.additions import additions
from underpaint.local.stack import StackOptions, plan

from tests.tiny import MODELS, make
from tests.tiny.extras import make_controlnet, make_learned_word, make_lora
from tests.tiny.single_file import write_single_file


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("sd15", tmp_path_factory.mktemp("models") / "sd15")


@pytest.fixture(scope="module")
def file(model: Path) -> Path:
    """The denoiser alone: without a card that says where the rest is, it is refused."""
    whole = load_file(write_single_file(model, model.parent / "whole.safetensors"))
    weights = {name: each for name, each in whole.items() if name.startswith("model.diffusion")}
    save_file(weights, model.parent / "fox.safetensors")
    return model.parent / "fox.safetensors"


def commands(folder: Path, **options: object) -> dict[str, Sequence[str]]:
    given = {"data_dir": folder, "edge_port": 0, "orchestrator_port": 0, "cloud_port": 0, **options}
    return {spec.name: spec.command for spec in plan(StackOptions(**given))}  # type: ignore[arg-type]


def after(command: Sequence[str], flag: str) -> list[str]:
    return [command[i + 1] for i, each in enumerate(command) if each == flag]


def test_each_says_which_model_it_is_for() -> None:
    lite, full = additions(
        lora=["lite=a.safetensors:0.5", "full=b=1.safetensors", "lite=c.safetensors"],
        embedding=["full=w.safetensors"],
        control=Path("canny"),
        tiny_vae=True,
    )
    assert lite == Options(loras=("a.safetensors:0.5", "c.safetensors"), tiny_vae=True)
    assert full == Options(
        loras=("b=1.safetensors",), embeddings=(Path("w.safetensors"),), control=Path("canny")
    )


@pytest.mark.parametrize("typed", ["ink.safetensors", "edge=ink.safetensors", "lite="])
def test_one_that_does_not_is_refused_with_what_would_do(typed: str) -> None:
    with pytest.raises(InvalidRequest, match=r"say which model it is for: --lora lite=\S+ or"):
        additions(lora=[typed])


def test_they_become_flags_of_the_services(model: Path, tmp_path: Path) -> None:
    lora = make_lora(MODELS["sd15"], tmp_path / "ink.safetensors")
    word = make_learned_word(tmp_path / "sks.safetensors")
    control = make_controlnet("sd15-controlnet", tmp_path / "canny")
    lite, full = additions(
        lora=[f"lite={lora}:0.5", f"full={lora}", f"full={lora}:0"],
        embedding=[f"lite={word}"],
        control=control,
    )
    with pytest.raises(InvalidModel, match="would have the same name"):
        commands(tmp_path, lite=str(model), full=str(model), lite_added=lite, full_added=full)
    _, full = additions(lora=[f"full={lora}"], control=control, tiny_vae=True)
    made = commands(tmp_path, lite=str(model), full=str(model), lite_added=lite, full_added=full)
    assert after(made["edge"], "--lora") == [f"{lora}:0.5"]
    assert after(made["edge"], "--embedding") == [str(word)]
    assert after(made["cloud"], "--lora") == [str(lora)]
    assert after(made["cloud"], "--control") == [str(control)]
    assert not {"--control", "--tiny-vae"} & set(made["edge"])
    tiny, _ = additions(tiny_vae=True)
    assert commands(tmp_path, lite=str(model), lite_added=tiny)["edge"][-1] != "True"
    assert "--tiny-vae" in commands(tmp_path, lite=str(model), lite_added=tiny)["edge"]


def test_what_does_not_fit_is_told_before_anything_starts(model: Path, tmp_path: Path) -> None:
    control = make_controlnet("flux-controlnet", tmp_path / "canny")
    _, full = additions(control=control)
    with pytest.raises(InvalidModel, match="is a FluxControlNetModel; for Stable Diffusion 1"):
        commands(tmp_path, full=str(model), full_added=full)
    commands(tmp_path, full=str(model), full_added=full, cloud=False)  # it is not started


def test_a_card_that_people_write_is_found_by_up_and_by_both_of_its_services(
    file: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERPAINT_DATA_DIR", str(tmp_path / "data"))
    written = CliRunner().invoke(
        app, ["models", "card", str(file), "--steps", "3", "--base", str(model)]
    )
    assert written.exit_code == 0, written.output
    made = commands(tmp_path / "data", lite=str(file), full=str(file))
    for service in ("edge", "cloud"):
        (model_flag,) = after(made[service], "--model")
        (data_dir,) = map(Path, after(made[service], "--data-dir"))
        form = find(model_flag, data_dir)
        assert form.base == model
        assert read_card(form, data_dir).num_inference_steps == 3


@pytest.mark.parametrize("model", ["nothing/here/at/all", "/nowhere/fox.safetensors"])
def test_a_model_that_is_not_there_is_told(model: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match=f"there is no model {model}"):
        commands(tmp_path, lite=model)
