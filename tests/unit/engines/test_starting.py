"""What is added to a model is checked before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from underpaint.contract.errors import InvalidModel
from underpaint.engines.options import Options
from underpaint.engines.starting import check_start

from tests.tiny import MODELS, make
from tests.tiny.extras import make_controlnet, make_learned_word, make_lora


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("sd15", tmp_path_factory.mktemp("models") / "sd15")


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("flux-dev", tmp_path_factory.mktemp("models") / "flux")


@pytest.fixture(scope="module")
def lumina(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("lumina2", tmp_path_factory.mktemp("models") / "lumina")


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_lora(MODELS["sd15"], tmp_path_factory.mktemp("loras") / "ink.safetensors")


@pytest.fixture
def word(tmp_path: Path) -> Path:
    return make_learned_word(tmp_path / "sks.safetensors", word="anything")


def refused(model: Path | str, **added: object) -> str:
    with pytest.raises(InvalidModel) as error:
        check_start(str(model), Options(**added))  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_fits_is_let_through(model: Path, lora: Path, word: Path, tmp_path: Path) -> None:
    control = make_controlnet("sd15-controlnet", tmp_path / "canny")
    check_start(str(model), Options(loras=(f"{lora}:0.5",), embeddings=(word,), control=control))


def test_a_lora_of_another_family_is_told(flux: Path, tmp_path: Path) -> None:
    name = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight"
    save_file({name: torch.zeros(4, 768)}, tmp_path / "ink.safetensors")
    told = refused(flux, loras=(str(tmp_path / "ink.safetensors"),))
    assert "is a LoRA for Stable Diffusion 1.x, not for FLUX.1" in told


def test_a_lora_that_is_not_there_is_told_of_a_model_that_is_not_here_yet(tmp_path: Path) -> None:
    assert "there is no LoRA" in refused("ann/never-fetched", loras=(str(tmp_path / "x"),))


def test_a_textual_inversion_is_one_and_the_family_takes_it(
    model: Path, lumina: Path, lora: Path, word: Path, tmp_path: Path
) -> None:
    assert "takes no textual inversions; leave" in refused(lumina, embeddings=(word,))
    assert "it is LoRA" in refused(model, embeddings=(lora,))
    assert "there is no textual inversion" in refused(model, embeddings=(tmp_path / "x",))
    pickled = tmp_path / "old.pt"
    pickled.write_bytes(b"")
    assert "is pickled and can run code" in refused(model, embeddings=(pickled,))
    many = tmp_path / "many.safetensors"
    save_file({f"x{i}": torch.zeros(2, 32) for i in range(5)}, many)
    assert "is no textual inversion" in refused(model, embeddings=(many,))


def test_a_controlnet_is_one_of_the_family(model: Path, flux: Path, tmp_path: Path) -> None:
    made = make_controlnet("flux-controlnet", tmp_path / "union")
    assert "is a FluxControlNetModel; for Stable Diffusion 1.x give a ControlNetModel" in refused(
        model, control=made
    )
    assert "is no ControlNet: its config.json is of a UNet2DConditionModel" in refused(
        model, control=model / "unet"
    )
    assert "is not there" in refused(model, control=tmp_path / "x")
    assert "is a file" in refused(model, control=model / "model_index.json")
    (made / "diffusion_pytorch_model.safetensors").unlink()
    assert "has no .safetensors weights" in refused(flux, control=made)


def test_a_family_without_controlnets_says_so(lumina: Path, tmp_path: Path) -> None:
    control = make_controlnet("sd15-controlnet", tmp_path / "canny")
    assert "takes no ControlNet; leave --control out" in refused(lumina, control=control)


def test_the_base_of_a_file_is_not_fetched_for_a_look(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A base on the hub that is in the cache without its weights is enough to look at a file."""
    from underpaint.engines.forms import find

    from tests.tiny.single_file import write_single_file

    cached = tmp_path / "hub" / "models--ann--base" / "snapshots" / "main"
    for path in model.rglob("*"):
        if path.is_file() and path.suffix != ".safetensors":
            place = cached / path.relative_to(model)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    file = write_single_file(model, tmp_path / "fox.safetensors")
    form = find(str(file), fetch=False, base="ann/base")
    assert form.base == cached
    assert json.loads((cached / "model_index.json").read_text())["_class_name"]
