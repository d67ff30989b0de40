"""Models of other kinds than text-to-image, as they lie on a disk, and what an error says of each.

Every tier must refuse each in one line.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

LORA = "unet.down_blocks.0.attentions.0.to_q.lora_A.weight"


def safetensors(name: str = "w", dtype: str = "F32") -> bytes:
    tensor = {"dtype": dtype, "shape": [2], "data_offsets": [0, 8]}
    header = json.dumps({name: tensor}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(8)


def pipeline(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        folder.mkdir()
        index = {"_class_name": name, "unet": ["diffusers", "UNet2DConditionModel"]}
        (folder / "model_index.json").write_text(json.dumps(index))
        (folder / "unet").mkdir()
        (folder / "unet" / "model.safetensors").write_bytes(safetensors())
        return folder

    return make


def files(**contents: Any) -> Callable[[Path], Path]:
    """A directory of files; `config_json` is config.json."""

    def make(folder: Path) -> Path:
        folder.mkdir()
        for name, data in contents.items():
            stem, _, suffix = name.rpartition("_")
            text = data if isinstance(data, bytes) else json.dumps(data).encode()
            (folder / f"{stem}.{suffix}").write_bytes(text)
        return folder

    return make


def one_file(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        folder.mkdir()
        (folder / name).write_bytes(safetensors())
        return folder / name

    return make


def wrong_dtype(folder: Path) -> Path:
    pipeline("StableDiffusionPipeline")(folder)
    (folder / "unet" / "model.safetensors").write_bytes(safetensors(dtype="F33"))
    return folder


def cut(folder: Path) -> Path:
    pipeline("StableDiffusionPipeline")(folder)
    weights = folder / "unet" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    return folder


def half(folder: Path) -> Path:
    pipeline("StableDiffusionPipeline")(folder)
    (folder / "unet" / "model.safetensors").unlink()
    return folder


OTHER_KINDS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "empty": (files(), "is empty: there is no model in it; fetch it again"),
    "video": (pipeline("WanPipeline"), "is a video model (WanPipeline); Underpaint draws pictures"),
    "moving": (pipeline("AnimateDiffPipeline"), "is a video model (AnimateDiffPipeline)"),
    "audio": (pipeline("StableAudioPipeline"), "is an audio model (StableAudioPipeline)"),
    "language": (
        files(config_json={"architectures": ["LlamaForCausalLM"]}, model_safetensors=safetensors()),
        "is a language model (LlamaForCausalLM); Underpaint draws pictures: give a text-to-image",
    ),
    "part": (
        files(config_json={"_class_name": "AutoencoderKL"}),
        "is a part of a model (AutoencoderKL); give the whole diffusers directory",
    ),
    "ControlNet": (
        files(config_json={"_class_name": "ControlNetModel"}),
        "is a ControlNet (ControlNetModel), which steers a model; give it with --control DIR",
    ),
    "LoRA": (files(style_safetensors=safetensors(LORA)), "is a LoRA, which changes a model"),
    "adapter": (files(adapter_config_json={"r": 8}), "is a LoRA, which changes a model"),
    "pickles": (files(model_ckpt=b"\x80\x04N."), "holds the pickle model.ckpt, which can run code"),
    "pickle": (one_file("model.ckpt"), "is pickled and can run code when loaded"),
    "file": (one_file("notes.txt"), "is no model; give a .safetensors or .gguf file"),
    "half": (half, "holds no .safetensors weights"),
    "cut": (cut, "fetch it again"),
    "dtype": (wrong_dtype, "the tensor w has the unknown dtype 'F33'; fetch it again"),
}
