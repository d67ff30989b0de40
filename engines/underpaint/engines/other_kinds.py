"""Says what a model is that cannot draw pictures from words: of video, sound or language."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from underpaint.contract.errors import InvalidModel
from underpaint.engines.checkpoints import read_json
from underpaint.engines.families.family import Checkpoint

# Classes of diffusers' pipelines, by how their names begin or what is in them.
_OTHERS: Final = (
    (
        r"Video|^(Wan|LTX|CogVideo|Mochi|Allegro|Latte|AnimateDiff|Hunyuan\w*Framepack|Kandinsky5\w*"
        r"[TI]2V|Cosmos(?!2TextToImage)|SkyReels|EasyAnimate|ConsisID|TextToVideo|I2VGenXL|PIA|Helios)",
        "makes videos",
    ),
    (r"Audio|Music|Sound|^(StableAudio|AceStep|DanceDiffusion|LongCatAudio)", "makes sound"),
    (r"^(DiffusionGemma|LLaDA)", "makes text"),
    (r"ShapE|LDM3D", "makes shapes in three dimensions"),
    (r"Upscale|SuperResolution", "only enlarges pictures"),
    (r"^Marigold", "only measures pictures"),
)
_PARTS: Final = (
    (r"ControlNet", "a ControlNet", "give it with --control"),
    (r"^(Autoencoder|VQModel|ConsistencyDecoder)", "a VAE", ""),
    (r"Transformer\d?D?Model$|^UNet", "a denoiser alone", ""),
    (r"Scheduler$", "a scheduler", ""),
)


def check_is_pictures(checkpoint: Checkpoint, name: str) -> None:
    """Checks that a pipeline draws pictures.

    Raises:
        InvalidModel: says what it makes instead.
    """
    made_of = str(checkpoint.index["_class_name"])
    for pattern, does in _OTHERS:
        if re.search(pattern, made_of):
            raise InvalidModel(
                f"{name} is a {made_of}, which {does}; give a model that draws pictures from words"
            )


def no_directory(path: Path) -> InvalidModel:
    """The error for a directory without model_index.json; says what it is if that can be told."""
    wanted = "give a diffusers directory"
    adapter, config = path / "adapter_config.json", path / "config.json"
    if adapter.is_file():
        return InvalidModel(f"{path} is a LoRA, not a model: give its .safetensors with --lora")
    if config.is_file():
        said = read_json(config)
        made_of = str(said.get("_class_name") or (said.get("architectures") or [""])[0])
        for pattern, what, advice in _PARTS:
            if re.search(pattern, made_of):
                return InvalidModel(
                    f"{path} is {what} ({made_of}), not a model: {advice or wanted}"
                )
        if made_of:
            return InvalidModel(
                f"{path} is a {made_of}, a model of language or the like; {wanted} that draws"
            )
    files = sorted(file.name for file in path.glob("*.safetensors"))
    if files:
        return InvalidModel(
            f"{path} has no model_index.json; if one of its files is a whole model, give that: "
            f"{path / files[0]}"
        )
    return InvalidModel(f"{path / 'model_index.json'} is missing: not a whole diffusers directory")
