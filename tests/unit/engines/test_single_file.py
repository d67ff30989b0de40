"""Single files draw the very pictures that their diffusers directories draw."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel
from underpaint.contract.errors import InvalidModel
from underpaint.contract.generation import GenerationRequest
from underpaint.engines import singles
from underpaint.engines.cards import ModelCard, write_card
from underpaint.engines.forms import Kind, card_place, find
from underpaint.engines.options import Options
from underpaint.engines.pipelines.model import Model, Pictures
from underpaint.engines.pipelines.single_file import load_single
from underpaint.engines.pipelines.tokenizers import packaged_tokenizer
from underpaint.engines.placement import Placement

from tests.tiny import make, stable_diffusion
from tests.tiny.parts import WIDTH, clip, enliven, t5
from tests.tiny.sd3_file import write_sd3_file, write_sd3_gguf
from tests.tiny.single_file import write_single_file


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("sd15", tmp_path_factory.mktemp("models") / "sd15")


@pytest.fixture(scope="module")
def xl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pipeline = stable_diffusion.sdxl()
    # As in the real ones, one text encoder is wider than the other, by which they are told apart.
    pipeline.text_encoder_2 = clip(projection=True, hidden_size=2 * WIDTH)
    pipeline.unet = stable_diffusion.xl_unet(cross_attention_dim=3 * WIDTH)
    enliven(pipeline)
    folder = tmp_path_factory.mktemp("models") / "sdxl"
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def file(directory: Path) -> Path:
    return write_single_file(directory, directory.parent / "fox.safetensors")


def draw(pipeline: Any) -> torch.Tensor:
    pipeline.set_progress_bar_config(disable=True)
    picture: torch.Tensor = pipeline(
        "a red fox, sleeping",
        num_inference_steps=2,
        width=64,
        height=64,
        output_type="pt",
        generator=torch.Generator().manual_seed(0),
    ).images
    return picture


def test_a_file_with_a_base_draws_what_its_directory_draws(directory: Path, file: Path) -> None:
    form = find(str(file), base=str(directory))
    loaded = load_single(form, "StableDiffusionPipeline", dtype=torch.float32)
    whole = StableDiffusionPipeline.from_pretrained(directory)
    assert torch.equal(draw(loaded), draw(whole))


def test_a_file_of_stable_diffusion_xl_does_so_too(xl: Path, tmp_path: Path) -> None:
    file = write_single_file(xl, tmp_path / "xl.safetensors")
    form = find(str(file), base=str(xl))
    assert form.contents is not None
    assert (form.contents.kind, form.contents.lacks) == ("sdxl", ())
    loaded = load_single(form, "StableDiffusionXLPipeline", dtype=torch.float32)
    whole = StableDiffusionXLPipeline.from_pretrained(xl)
    torch.testing.assert_close(draw(loaded), draw(whole), rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def sd3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pipeline = stable_diffusion.sd3()
    # As in the real ones: of two widths, by which they are told apart.
    pipeline.text_encoder_2 = clip(projection=True, hidden_size=2 * WIDTH, projection_dim=2 * WIDTH)
    pipeline.text_encoder_3 = t5(3 * WIDTH)
    widths = {"joint_attention_dim": 3 * WIDTH, "pooled_projection_dim": 3 * WIDTH}
    pipeline.transformer = type(pipeline.transformer).from_config(
        {**pipeline.transformer.config, **widths}
    )
    enliven(pipeline)
    pipeline.text_encoder.text_projection.weight.data = torch.eye(WIDTH)
    folder = tmp_path_factory.mktemp("models") / "sd3"
    pipeline.save_pretrained(folder)
    return folder


def test_a_file_of_stable_diffusion_3_does_so_too(sd3: Path, tmp_path: Path) -> None:
    form = find(str(write_sd3_file(sd3, tmp_path / "sd3.safetensors")), base=str(sd3))
    assert form.contents is not None
    assert (form.contents.kind, form.contents.lacks) == ("sd3", ())
    loaded = load_single(form, "StableDiffusion3Pipeline", dtype=torch.float32)
    whole = StableDiffusion3Pipeline.from_pretrained(sd3)
    torch.testing.assert_close(draw(loaded), draw(whole), rtol=0, atol=1e-4)


def test_a_gguf_file_draws_nearly_what_its_directory_draws(sd3: Path, tmp_path: Path) -> None:
    form = find(str(write_sd3_gguf(sd3, tmp_path / "sd3.gguf")), base=str(sd3))
    assert form.kind is Kind.GGUF
    loaded = load_single(form, "StableDiffusion3Pipeline", dtype=torch.float32)
    kinds = {type(each).__name__ for each in loaded.transformer.parameters()}
    assert "GGUFParameter" in kinds  # its weights stay small
    whole = draw(StableDiffusion3Pipeline.from_pretrained(sd3))
    near = (draw(loaded) - whole).abs().mean()
    assert near < 0.02
    loaded.transformer.proj_out.bias.data += 1.0
    assert (draw(loaded) - whole).abs().mean() > 2 * near  # what is drawn depends on it


def test_a_gguf_file_draws_on_either_tier(sd3: Path, tmp_path: Path) -> None:
    file = write_sd3_gguf(sd3, tmp_path / "fox.gguf")
    write_card(card_place(str(file), tmp_path), ModelCard(name="fox", base=str(sd3)))
    options = Options(data_dir=tmp_path, placement=Placement(device="cpu"))
    model = Model(str(file), "image", options)
    request = GenerationRequest(
        prompt="a fox", seed=1, width=64, height=64, num_inference_steps=2, guidance_scale=1.0
    )
    assert model.draw(request, (64, 64)).picture.size == (64, 64)
    blank = Image.linear_gradient("L").convert("RGB").resize((64, 64))
    start = Pictures(init_image=blank)
    assert model.draw(replace(request, strength=0.6), (64, 64), start).model == "fox"


def test_a_denoiser_alone_gets_the_rest_from_its_base(directory: Path, tmp_path: Path) -> None:
    whole = write_single_file(directory, tmp_path / "whole.safetensors")
    weights = {k: v for k, v in load_file(whole).items() if k.startswith("model.diffusion")}
    save_file(weights, tmp_path / "unet.safetensors")
    form = find(str(tmp_path / "unet.safetensors"), base=str(directory))
    assert form.contents is not None
    assert form.contents.lacks == ("vae", "text_encoder")
    loaded = load_single(form, "StableDiffusionPipeline", dtype=torch.float32)
    assert torch.equal(draw(loaded), draw(StableDiffusionPipeline.from_pretrained(directory)))


def test_a_file_by_itself_takes_the_configuration_and_tokenizer_of_the_package(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = StableDiffusionPipeline.from_pretrained(directory)
    torch.manual_seed(0)
    text = CLIPTextConfig(hidden_size=32, intermediate_size=32, num_hidden_layers=2)
    whole.text_encoder = CLIPTextModel(text).eval()  # with a vocabulary as large as CLIP's
    whole.tokenizer = packaged_tokenizer("CLIPTokenizer")
    whole.save_pretrained(tmp_path / "whole")
    file = write_single_file(tmp_path / "whole", tmp_path / "fox.safetensors")
    # The package's own configuration, but as tiny as the file.
    shutil.copytree(singles.CONFIGS, tmp_path / "configs")
    monkeypatch.setattr(singles, "CONFIGS", tmp_path / "configs")
    kind = json.loads((tmp_path / "configs" / "sd1.json").read_text())
    for name in ("unet", "vae", "text_encoder"):
        kind[name] = json.loads((tmp_path / "whole" / name / "config.json").read_text())
    (tmp_path / "configs" / "sd1.json").write_text(json.dumps(kind))

    loaded = load_single(find(str(file)), "StableDiffusionPipeline", dtype=torch.float32)
    assert torch.equal(draw(loaded), draw(whole))


def test_a_file_that_does_not_fit_its_configuration_is_one_line(file: Path) -> None:
    with pytest.raises(InvalidModel, match=r"fox\.safetensors does not load") as error:
        load_single(find(str(file)), "StableDiffusionPipeline", dtype=torch.float32)
    assert "\n" not in str(error.value)


def test_the_packaged_tokenizers_read_as_their_makers_do() -> None:
    clip = packaged_tokenizer("CLIPTokenizer")
    assert clip("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert clip("Ein Füchschen!").input_ids[-2:] == [256, 49407]
    assert clip.model_max_length == 77
    zero = packaged_tokenizer("CLIPTokenizer", padded_by="!")
    assert zero("a", padding="max_length", max_length=4).input_ids == [49406, 320, 49407, 0]
    t5 = packaged_tokenizer("T5TokenizerFast")
    assert t5("a photo of a cat").input_ids == [3, 9, 1202, 13, 3, 9, 1712, 1]
    assert t5.is_fast
    assert clip.is_fast


@pytest.mark.parametrize("kind", sorted(singles.kinds()))
def test_each_packaged_configuration_is_a_model_of_its_real_size(kind: str) -> None:
    import diffusers
    import transformers

    checkpoint = singles.packaged(kind, "x")
    sizes = {
        "sd1": 859_520_964,
        "sd2": 865_910_724,
        "sdxl": 2_567_463_684,
        "playground": 2_567_463_684,
        "sd3": 2_028_328_000,
        "sd35-medium": 2_243_171_520,
        "sd35-large": 8_056_627_520,
        "flux-dev": 11_901_408_320,
        "flux-schnell": 11_891_178_560,
    }
    for name, config in checkpoint.configs.items():
        library, class_name = checkpoint.index[name]
        made = getattr(diffusers if library == "diffusers" else transformers, class_name)
        if name == "scheduler":
            made.from_config(config).set_timesteps(4, **({"mu": 1.0} if kind[:4] == "flux" else {}))
            continue
        with torch.device("meta"):
            module = made.from_config(config) if library == "diffusers" else None
        if name in ("unet", "transformer"):
            assert sum(each.numel() for each in module.parameters()) == sizes[kind]
