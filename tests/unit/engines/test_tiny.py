"""Each tiny checkpoint is loaded by diffusers itself, from disk, and draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import diffusers
import pytest
import torch
from diffusers import AutoencoderTiny

from tests.tiny import MODELS, make
from tests.tiny.drawing import draw, load, slope, unlike
from tests.tiny.extras import (
    CONTROLNETS,
    SMALL,
    make_controlnet,
    make_learned_word,
    make_lora,
    make_small_autoencoder,
)

Models = Callable[[str], Path]

CONTROLLED = {
    "sd15-controlnet": ("sd15", "StableDiffusionControlNetPipeline", "image", {}),
    "sdxl-controlnet": ("sdxl", "StableDiffusionXLControlNetPipeline", "image", {}),
    "sdxl-controlnet-union": (
        "sdxl",
        "StableDiffusionXLControlNetUnionPipeline",
        "control_image",
        {"control_mode": 3},
    ),
    "sd3-controlnet": ("sd3", "StableDiffusion3ControlNetPipeline", "control_image", {}),
    "flux-controlnet": ("flux-dev", "FluxControlNetPipeline", "control_image", {}),
    "qwen-image-controlnet": (
        "qwen-image",
        "QwenImageControlNetPipeline",
        "control_image",
        {},
    ),
    "z-image-controlnet": ("z-image", "ZImageControlNetPipeline", "control_image", {}),
    "sana-controlnet": ("sana", "SanaControlNetPipeline", "control_image", {}),
    "hunyuan-dit-controlnet": (
        "hunyuan-dit",
        "HunyuanDiTControlNetPipeline",
        "control_image",
        {},
    ),
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Models so small are drawn faster by one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", MODELS)
def test_it_loads_from_disk_and_draws(name: str, tiny_model: Models) -> None:
    tiny, folder = MODELS[name], tiny_model(name)
    assert not [*folder.rglob("*.bin"), *folder.rglob("*.pt")]
    pipeline = load(tiny, folder)

    drawn = draw(pipeline, tiny)
    assert drawn.shape == (tiny.height, tiny.width, 3)
    assert drawn.std() > 10
    assert unlike(drawn, draw(pipeline, tiny, seed=2)) > 1
    assert unlike(drawn, draw(pipeline, tiny, prompt="a blue boat house")) > 0
    if tiny.pictures:
        assert unlike(drawn, draw(pipeline, tiny, turned=True)) > 1


@pytest.mark.parametrize("name", ["sd15", "flux-dev", "qwen-image"])
def test_halves_alone_in_shards(name: str, tmp_path: Path) -> None:
    folder = make(
        name,
        tmp_path / name,
        dtype=torch.float16,
        variant="fp16",
        max_shard_size="100KB",
    )
    files = [file.name for file in folder.rglob("*.safetensors")]
    assert all("fp16" in file for file in files)
    assert any("-of-" in file for file in files)
    pipeline = load(MODELS[name], folder, variant="fp16", torch_dtype=torch.float32)
    assert draw(pipeline, MODELS[name]).std() > 10


@pytest.mark.parametrize("name", CONTROLNETS)
def test_a_control_net_steers(name: str, tiny_model: Models, tmp_path: Path) -> None:
    base, kind, argument, more = CONTROLLED[name]
    tiny = MODELS[base]
    folder = make_controlnet(name, tmp_path / name)
    net = diffusers.AutoModel.from_pretrained(str(folder), local_files_only=True)
    pipeline = load(tiny, tiny_model(base))
    pipeline = getattr(diffusers, kind)(**pipeline.components, controlnet=net)
    pipeline.set_progress_bar_config(disable=True)

    up, down = (
        draw(pipeline, tiny, more=more | {argument: slope(tiny, turned)})
        for turned in (False, True)
    )
    assert unlike(up, down) > 0.5


@pytest.mark.parametrize(
    "name", ["sd15", "sdxl", "sd3", "flux-dev", "flux2-klein", "qwen-image", "z-image", "sana"]
)
def test_a_lora_is_heard(name: str, tiny_model: Models, tmp_path: Path) -> None:
    file = make_lora(MODELS[name], tmp_path / "lora.safetensors")
    pipeline = load(MODELS[name], tiny_model(name))
    plain = draw(pipeline, MODELS[name])
    pipeline.load_lora_weights(tmp_path, weight_name=file.name, local_files_only=True)
    assert unlike(plain, draw(pipeline, MODELS[name])) > 0.5


def test_a_learned_word_is_heard(tiny_model: Models, tmp_path: Path) -> None:
    file = make_learned_word(tmp_path / "word.safetensors")
    pipeline = load(MODELS["sd15"], tiny_model("sd15"))
    plain = draw(pipeline, MODELS["sd15"], prompt="a <tiny> fox")
    pipeline.load_textual_inversion(file, local_files_only=True)
    assert unlike(plain, draw(pipeline, MODELS["sd15"], prompt="a <tiny> fox")) > 0.5


@pytest.mark.parametrize(
    ("name", "base"), zip(SMALL, ("sd15", "sdxl", "sd3", "flux-dev"), strict=True)
)
def test_a_small_autoencoder_decodes(
    name: str, base: str, tiny_model: Models, tmp_path: Path
) -> None:
    pipeline = load(MODELS[base], tiny_model(base))
    folder = make_small_autoencoder(name, tmp_path / name)
    pipeline.vae = AutoencoderTiny.from_pretrained(folder, local_files_only=True)
    drawn = draw(pipeline, MODELS[base])
    assert drawn.shape == (MODELS[base].height, MODELS[base].width, 3)
    assert drawn.std() > 10
