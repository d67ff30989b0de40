"""LoRA files: told by their headers, refused where they do not fit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from underpaint.contract.errors import InvalidModel
from underpaint.engines.families.family import Checkpoint, Family, Manner
from underpaint.engines.loras import beside, name_with, parse, read_lora, read_loras

from tests.unit.engines.test_forms import SD1, write

Shapes = Mapping[str, tuple[int, ...]]
PLAIN = Checkpoint(index={}, configs={}, name="mine")


def family(name: str, *, loras: bool = True) -> Family:
    manner = Manner(num_inference_steps=1, guidance_scale=0.0, why="")
    return Family(name=name, title=name.upper(), index=frozenset(), manner=manner, loras=loras)


def kohya(place: str, width: int, inner: int = 64) -> Shapes:
    return {f"{place}.lora_down.weight": (8, width), f"{place}.lora_up.weight": (inner, 8)}


UNET = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
LORAS: dict[str, tuple[Shapes, str]] = {
    "sd1": (kohya(UNET, 768), "sd1"),
    "sd2": (kohya(UNET, 1024), "sd2"),
    "sdxl": (kohya(UNET, 2048), "sdxl"),
    "sdxl-text": (kohya("lora_te2_text_model_encoder_layers_0_mlp_fc1", 1280), "sdxl"),
    "sdxl-peft": (
        {
            "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight": (
                4,
                2048,
            )
        },
        "sdxl",
    ),
    "flux": (kohya("lora_unet_double_blocks_0_img_attn_qkv", 3072), "flux"),
    "flux-diffusers": (
        {"transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight": (16, 3072)},
        "flux",
    ),
    "flux2": (kohya("diffusion_model.single_blocks.0.linear1", 6144, 55_296), "flux2"),
    "sd3": ({"transformer.transformer_blocks.0.attn.add_k_proj.lora_A.weight": (16, 1536)}, "sd3"),
    "qwen": ({"transformer_blocks.0.img_mlp.net.2.lora_A.weight": (16, 3072)}, "qwen-image"),
    "qwen-attn": (
        {"transformer.transformer_blocks.0.attn.add_k_proj.lora_A.weight": (16, 3072)},
        "qwen-image",
    ),
    "z-image": ({"diffusion_model.layers.0.attention.to_q.lora_A.weight": (16, 3840)}, "z-image"),
    "wan": (kohya("diffusion_model.blocks.0.self_attn.q", 5120), "video"),
    "unknown": ({"some.layer.lora_A.weight": (4, 4)}, ""),
}


@pytest.mark.parametrize("name", LORAS)
def test_a_lora_tells_what_it_is_for(tmp_path: Path, name: str) -> None:
    shapes, architecture = LORAS[name]
    file = write(tmp_path / f"{name}.safetensors", shapes)
    lora = read_lora(file, 0.5)
    assert (lora.name, lora.architecture, lora.weight) == (name, architecture, 0.5)
    assert lora.rank == next(iter(shapes.values()))[0]
    assert lora.digest == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("name", "fits"),
    [("sdxl", "sdxl"), ("flux", "flux-kontext"), ("sd1", "sd1"), ("unknown", "sana")],
)
def test_a_lora_fits_its_family(tmp_path: Path, name: str, fits: str) -> None:
    file = write(tmp_path / "x.safetensors", LORAS[name][0])
    assert read_loras([str(file)], family(fits), PLAIN)[0].path == file


@pytest.mark.parametrize(
    ("name", "other", "told"),
    [
        ("sdxl", "sd1", "is a LoRA for SDXL, not for SD1"),
        ("flux", "sdxl", "is a LoRA for FLUX.1, not for SDXL"),
        ("wan", "flux", "is a LoRA for a video model"),
    ],
)
def test_a_lora_of_another_family_is_refused(
    tmp_path: Path, name: str, other: str, told: str
) -> None:
    file = write(tmp_path / "x.safetensors", LORAS[name][0])
    with pytest.raises(InvalidModel, match=told) as error:
        read_loras([str(file)], family(other), PLAIN)
    assert "\n" not in str(error.value)
    with pytest.raises(InvalidModel, match="takes no LoRAs"):
        read_loras([str(file)], family("lumina", loras=False), PLAIN)


def test_a_lora_for_another_width_of_text_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "x.safetensors", LORAS["sd1"][0])
    narrow = Checkpoint(index={}, configs={"unet": {"cross_attention_dim": 32}}, name="mine")
    with pytest.raises(InvalidModel, match="768 wide; those of mine are 32 wide"):
        read_loras([str(file)], family("sd1"), narrow)


def test_what_is_no_lora_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "model.safetensors", SD1)
    with pytest.raises(InvalidModel, match="no LoRA: it is Stable Diffusion 1"):
        read_lora(file)
    with pytest.raises(InvalidModel, match="there is no LoRA"):
        read_lora(tmp_path / "nothing.safetensors")
    (tmp_path / "old.pt").write_bytes(b"")
    with pytest.raises(InvalidModel, match="pickled"):
        read_lora(tmp_path / "old.pt")


def test_two_of_the_same_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    files = [
        write(folder / "x.safetensors", LORAS["sdxl"][0]) for folder in (tmp_path, tmp_path / "a")
    ]
    with pytest.raises(InvalidModel, match="same name"):
        read_loras(map(str, files), family("sdxl"), PLAIN)


@pytest.mark.parametrize(
    ("text", "file", "weight"),
    [
        ("a.safetensors", "a.safetensors", 1.0),
        ("a.safetensors:0.5", "a.safetensors", 0.5),
        ("a:b.safetensors", "a:b.safetensors", 1.0),
        ("/a/b.safetensors:-1", "/a/b.safetensors", -1.0),
        ("b.safetensors:0", "b.safetensors", 0.0),
    ],
)
def test_a_file_may_have_a_weight(text: str, file: str, weight: float) -> None:
    assert parse(text) == (Path(file), weight)


@pytest.mark.parametrize("text", ["a.safetensors:3", "a.safetensors:nan", "a.safetensors:-inf"])
def test_a_weight_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(InvalidModel, match="out of range"):
        parse(text)


def test_the_name_of_an_engine_tells_its_loras_and_their_weights(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{n}.safetensors", LORAS[n][0]) for n in ("sdxl", "sdxl-text")]
    full, half = read_lora(files[0]), read_lora(files[1], 0.5)
    assert name_with("fox", []) == "fox"
    assert name_with("fox", [full, half]) == (
        f"fox+lora:{full.digest[:8]}+lora:{half.digest[:8]}:0.5"
    )


def test_loras_beside_a_model_are_found(tmp_path: Path) -> None:
    (tmp_path / "loras").mkdir()
    near = write(tmp_path / "near.safetensors", LORAS["sdxl"][0])
    deep = write(tmp_path / "loras" / "deep.safetensors", LORAS["sdxl"][0])
    model = write(tmp_path / "model.safetensors", SD1)
    (tmp_path / "broken.safetensors").write_bytes(b"no header")
    assert beside(tmp_path) == (deep, near)
    assert beside(model) == (deep, near)


def test_metadata_tells_where_the_names_do_not(tmp_path: Path) -> None:
    file = write(tmp_path / "x.safetensors", LORAS["unknown"][0])
    length = int.from_bytes(file.read_bytes()[:8], "little")
    header: dict[str, Any] = json.loads(file.read_bytes()[8 : 8 + length])
    header["__metadata__"] = {"ss_base_model_version": "sdxl_base_v1-0"}
    text = json.dumps(header).encode()
    rest = file.read_bytes()[8 + length :]
    file.write_bytes(len(text).to_bytes(8, "little") + text + rest)
    assert read_lora(file).architecture == "sdxl"
