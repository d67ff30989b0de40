"""What a model argument is, and what is said of what cannot be used."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from underpaint.contract.errors import InvalidModel
from underpaint.engines import cards, forms
from underpaint.engines.forms import Kind, find
from underpaint.engines.sniffing import TITLES, What, classify

UNET = "model.diffusion_model."
SD1: Mapping[str, tuple[int, ...]] = {
    f"{UNET}input_blocks.0.0.weight": (320, 4, 3, 3),
    f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768),
    "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3),
    "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight": (77, 768),
}
SDXL: Mapping[str, tuple[int, ...]] = {
    f"{UNET}input_blocks.0.0.weight": (320, 4, 3, 3),
    f"{UNET}label_emb.0.0.weight": (1280, 2816),
    f"{UNET}input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (640, 2048),
    "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3),
    "conditioner.embedders.0.transformer.text_model.embeddings.position_embedding.weight": (
        77,
        768,
    ),
    "conditioner.embedders.1.model.positional_embedding": (77, 1280),
}
SD3: Mapping[str, tuple[int, ...]] = {
    f"{UNET}joint_blocks.0.context_block.adaLN_modulation.1.bias": (9216,),
    "first_stage_model.decoder.conv_in.weight": (512, 16, 3, 3),
    "text_encoders.clip_l.transformer.text_model.final_layer_norm.weight": (768,),
    "text_encoders.clip_g.transformer.text_model.final_layer_norm.weight": (1280,),
}
FLUX: Mapping[str, tuple[int, ...]] = {
    "double_blocks.0.img_attn.norm.key_norm.scale": (128,),
    "img_in.weight": (3072, 64),
}
GUIDED = {"guidance_in.in_layer.bias": (3072,)}


def write(path: Path, shapes: Mapping[str, tuple[int, ...]], dtype: str = "F8_E4M3") -> Path:
    """A file with a true header and a hole where the weights would be."""
    header: dict[str, Any] = {}
    end = 0
    for name, shape in shapes.items():
        size = 1
        for side in shape:
            size *= side
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    with path.open("r+b") as file:
        file.truncate(8 + len(text) + end)
    return path


def refused(model: object, folder: Path | None = None) -> str:
    with pytest.raises(InvalidModel) as error:
        find(str(model), folder, fetch=False)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A diffusers directory with one component that has weights."""
    folder = tmp_path / "model"
    index = {
        "_class_name": "FluxPipeline",
        "transformer": ["diffusers", "FluxTransformer2DModel"],
        "processor": ["transformers", "Qwen2VLProcessor"],
        "prior_scheduler": ["diffusers", "UnCLIPScheduler"],
        "prior_image_processor": ["transformers", "CLIPImageProcessor"],
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "guider": ["diffusers", "AdaptiveProjectedMixGuidance"],
        "reader": ["transformers", "Qwen2VLProcessor"],
        "clock": ["diffusers", "DDIMScheduler"],
    }
    for name in index:
        if not name.startswith("_"):
            (folder / name).mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "transformer" / "config.json").write_text('{"guidance_embeds": true}')
    (folder / "scheduler" / "scheduler_config.json").write_text('{"shift": 3.0}')
    write(folder / "transformer" / "diffusion_pytorch_model.safetensors", {"w": (4,)})
    return folder


def test_a_directory_is_found_with_its_configurations(directory: Path) -> None:
    form = find(str(directory))
    assert (form.kind, form.name, form.variant) == (Kind.DIRECTORY, "model", "")
    assert form.checkpoint.config("transformer") == {"guidance_embeds": True}
    assert form.checkpoint.config("scheduler") == {"shift": 3.0}
    assert form.notes == ()


def test_a_variant_is_taken_if_it_is_all_there_is_and_said(directory: Path) -> None:
    weights = directory / "transformer" / "diffusion_pytorch_model.safetensors"
    half = weights.with_name("diffusion_pytorch_model.fp16.safetensors")
    half.write_bytes(weights.read_bytes())
    assert find(str(directory)).variant == ""
    weights.unlink()
    form = find(str(directory))
    assert form.variant == "fp16"
    assert "only its fp16 weights" in form.notes[0]


def test_shards_of_a_variant_are_found_and_a_missing_one_is_named(directory: Path) -> None:
    folder = directory / "transformer"
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    names = [f"diffusion_pytorch_model.fp16-0000{n}-of-00002.safetensors" for n in (1, 2)]
    for name in names:
        write(folder / name, {"w": (4,)})
    index = folder / "diffusion_pytorch_model.safetensors.index.fp16.json"
    index.write_text(json.dumps({"weight_map": dict(zip("ab", names, strict=True))}))
    assert find(str(directory)).variant == "fp16"
    (folder / names[1]).unlink()
    assert names[1] in refused(directory)


def test_a_tokenizer_that_needs_a_package_which_is_not_here_names_it(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = json.loads((directory / "model_index.json").read_text())
    index["tokenizer"] = ["transformers", "T5TokenizerFast"]
    (directory / "model_index.json").write_text(json.dumps(index))
    (directory / "tokenizer").mkdir()
    (directory / "tokenizer" / "spiece.model").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(InvalidModel, match="pip install sentencepiece"):
        find(str(directory))
    find(str(directory), fetch=False)  # to look at it, nothing need be installed
    (directory / "tokenizer" / "tokenizer.json").write_text("{}")
    assert find(str(directory)).name == "model"


def test_components_of_different_variants_are_refused(directory: Path) -> None:
    index = json.loads((directory / "model_index.json").read_text())
    index["vae"] = ["diffusers", "AutoencoderKL"]
    (directory / "model_index.json").write_text(json.dumps(index))
    (directory / "vae").mkdir()
    write(directory / "vae" / "diffusion_pytorch_model.bf16.safetensors", {"w": (4,)})
    weights = directory / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_name("diffusion_pytorch_model.fp16.safetensors"))
    assert "bf16, fp16" in refused(directory)


@pytest.mark.parametrize(
    ("made_of", "does"),
    [
        ("WanPipeline", "a video model"),
        ("StableVideoDiffusionPipeline", "a video model"),
        ("AudioLDM2Pipeline", "an audio model"),
        ("ShapEPipeline", "a model of shapes"),
        ("StableDiffusionUpscalePipeline", "enlarges pictures"),
    ],
)
def test_a_pipeline_of_another_kind_is_told(directory: Path, made_of: str, does: str) -> None:
    index = json.loads((directory / "model_index.json").read_text())
    (directory / "model_index.json").write_text(json.dumps(index | {"_class_name": made_of}))
    assert does in refused(directory)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"architectures": ["LlamaForCausalLM"]}, "a language model (LlamaForCausalLM)"),
        ({"_class_name": "ControlNetModel"}, "a ControlNet (ControlNetModel)"),
        ({"_class_name": "AutoencoderKL"}, "a part of a model (AutoencoderKL)"),
        ({"_class_name": "UNet2DConditionModel"}, "a part of a model (UNet2D"),
    ],
)
def test_a_directory_that_is_a_part_or_something_else_is_told(
    tmp_path: Path, config: dict[str, Any], told: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert told in refused(tmp_path)


def test_a_directory_around_a_single_file_names_the_file(tmp_path: Path) -> None:
    file = write(tmp_path / "big.safetensors", {"w": (4,)})
    assert str(file) in refused(tmp_path)


@pytest.mark.parametrize(
    ("shapes", "kind"),
    [
        (SD1, "sd1"),
        (SD1 | {f"{UNET}input_blocks.0.0.weight": (320, 9, 3, 3)}, "sd1-inpaint"),
        (SD1 | {f"{UNET}input_blocks.0.0.weight": (320, 8, 3, 3)}, "pix2pix"),
        (SD1 | {f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 1024)},
         "sd2"),
        (SDXL, "sdxl"),
        (SDXL | {"edm_mean": (4,)}, "playground"),
        (SD3, "sd3"),
        (SD3 | {f"{UNET}joint_blocks.0.x_block.attn2.qkv.weight": (1, 1)}, "sd35-medium"),
        (SD3 | {f"{UNET}joint_blocks.37.x_block.mlp.fc1.weight": (1, 1)}, "sd35-large"),
        (FLUX, "flux-schnell"),
        (FLUX | GUIDED, "flux-dev"),
        (FLUX | GUIDED | {"img_in.weight": (3072, 384)}, "flux-fill"),
        ({f"{UNET}{name}": shape for name, shape in FLUX.items()}, "flux-schnell"),
        (FLUX | {"distilled_guidance_layer.in_proj.bias": (1,)}, "chroma"),
    ],
)  # fmt: skip
def test_a_file_is_told_by_its_header(shapes: Mapping[str, tuple[int, ...]], kind: str) -> None:
    contents = classify(shapes)
    assert (contents.what, contents.kind, contents.title) == (What.CHECKPOINT, kind, TITLES[kind])


@pytest.mark.parametrize(
    ("shapes", "told"),
    [
        ({"lora_unet_x.lora_down.weight": (4, 4)}, "a LoRA, not a checkpoint; give it with --lora"),
        ({"control_model.time_embed.0.weight": (4,)}, "a ControlNet"),
        ({"decoder.conv_in.weight": (4, 4, 3, 3)}, "a VAE"),
        ({"text_model.embeddings.position_embedding.weight": (77, 8)}, "a text encoder"),
        ({"emb_params": (2, 8)}, "a textual inversion"),
        ({"model.diffusion_model.head.modulation": (4,)}, "a video model (Wan)"),
        ({"time_embedding.linear_1.weight": (4, 4)}, "one component of a model"),
        ({"layer": (4,)}, "of a kind that is not known"),
        (FLUX, "FLUX.1 schnell without vae, text_encoder, text_encoder_2"),
        ({"single_stream_modulation.lin.weight": (4,)}, "whose configuration does not come with"),
        ({}, "of a kind that is not known"),
    ],
)
def test_a_file_that_is_no_whole_checkpoint_says_what_would_do(
    tmp_path: Path, shapes: Mapping[str, tuple[int, ...]], told: str
) -> None:
    assert told in refused(write(tmp_path / "file.safetensors", shapes))


def test_a_single_file_has_the_configuration_of_its_kind(tmp_path: Path) -> None:
    form = find(str(write(tmp_path / "MyMix.v2.safetensors", SDXL)))
    assert (form.kind, form.name) == (Kind.FILE, "MyMix.v2")
    assert form.checkpoint.index["_class_name"] == "StableDiffusionXLPipeline"
    assert form.checkpoint.config("unet")["cross_attention_dim"] == 2048


def test_stable_diffusion_3_without_its_largest_text_encoder_is_drawn_without(
    tmp_path: Path,
) -> None:
    form = find(str(write(tmp_path / "sd3.safetensors", SD3)))
    assert form.notes == ("it has no text_encoder_3, so it is drawn without",)


@pytest.mark.parametrize("name", ["old.ckpt", "old.pt", "old.bin"])
def test_pickles_stay_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK")
    assert "can run code" in refused(tmp_path / name)


def test_a_dtype_that_is_none_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "odd.safetensors", SD1, dtype="F99")
    assert "unknown dtype 'F99'" in refused(file)


def test_a_shape_that_does_not_fit_its_bytes_is_corrupt(tmp_path: Path) -> None:
    file = write(tmp_path / "odd.safetensors", SD1, dtype="F32")
    assert "is corrupt" in refused(file)


def test_a_half_download_is_told(tmp_path: Path) -> None:
    file = write(tmp_path / "half.safetensors", SD1)
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size - 1)
    assert "fetch it again" in refused(file)


def gguf(shapes: Mapping[str, tuple[int, ...]]) -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    said = text("general.architecture") + struct.pack("<I", 8) + text("flux")
    said += text("list") + struct.pack("<IIQ", 9, 4, 2) + struct.pack("<II", 1, 2)
    tensors = b"".join(
        text(name)
        + struct.pack("<I", len(shape))
        + struct.pack(f"<{len(shape)}Q", *reversed(shape))
        + struct.pack("<IQ", 0, 0)
        for name, shape in shapes.items()
    )
    return b"GGUF" + struct.pack("<IQQ", 3, len(shapes), 2) + said + tensors


def test_a_gguf_file_is_told_by_its_header_and_needs_a_base(
    tmp_path: Path, directory: Path
) -> None:
    file = tmp_path / "flux-q4.gguf"
    file.write_bytes(gguf(FLUX | GUIDED | {"img_in.weight": (3072, 384)}))
    assert "FLUX.1 Fill, whose configuration" in refused(file)
    file.write_bytes(gguf(FLUX | GUIDED))
    assert "FLUX.1 dev without vae" in refused(file)
    form = find(str(file), base=str(directory))
    assert form.kind is Kind.GGUF
    assert form.base == directory
    assert form.checkpoint.config("transformer") == {"guidance_embeds": True}


@pytest.mark.parametrize("cut", [3, 12, 30, 90])
def test_a_gguf_file_that_was_cut_is_told(tmp_path: Path, cut: int) -> None:
    (tmp_path / "flux.gguf").write_bytes(gguf(FLUX)[:cut])
    assert "flux.gguf" in refused(tmp_path / "flux.gguf")


def test_a_base_is_remembered_by_the_card_whatever_the_file_is_called(
    tmp_path: Path, directory: Path
) -> None:
    folder = tmp_path / "data"
    file = write(tmp_path / "flux.safetensors", FLUX)
    place = forms.card_place(str(file), folder)
    cards.write_card(place, cards.ModelCard(name="flux", base=str(directory)))
    moved = file.rename(tmp_path / "renamed.safetensors")
    assert find(str(moved), folder).base == directory
    assert place.parent == folder / "cards"
    # A node of `up` has a data directory in that of `up`.
    assert find(str(moved), folder / "edge").base == directory
    other = write(tmp_path / "other.safetensors", FLUX | {"more": (1,)})
    assert "without vae" in refused(other, folder)


def test_what_is_nowhere_is_told(tmp_path: Path) -> None:
    assert "there is no model" in refused(tmp_path / "nothing.safetensors")
