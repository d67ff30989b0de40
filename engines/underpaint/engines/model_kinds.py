"""Tells what a model is that is no text-to-image model, so that the error names it.

Everything is read from names and small JSON files: nothing here imports torch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from underpaint.contract.errors import InvalidModel

GIVE: Final = "give a text-to-image checkpoint such as stabilityai/sd-turbo"
# Files that are pickles as a rule, which can run code when they are loaded.
PICKLED: Final = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle"})
# Kinds of pipelines by the names of diffusers' classes; the first that matches wins.
_PIPELINES: Final = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("an audio model", r"Audio|Music|AceStep|DanceDiffusion|Spectrogram"),
        (
            "a video model",
            r"Video|AnimateDiff|AnyFlow|^Allegro|CogVideo|ConsisID|Cosmos(?!2TextToImage)"
            r"|EasyAnimate|Framepack|Helios|I2VGen|Kandinsky5[IT]2V|Kandinsky6TI2VA|^Latte|^LTX|LucyEdit"
            r"|Mochi|^PIA|SanaWM|Sky[Rr]eels|^Wan\d*[A-Z]|ToWorld",
        ),
        ("a language model", r"^LLaDA|DiffusionGemma"),
        ("a model of shapes", r"^ShapE"),
        ("a model that enlarges pictures", r"Upscale|SuperResolution|Kandinsky6SR"),
        ("a model that measures pictures", r"^Marigold"),
        ("one half of a model", r"Prior(?:Redux|Emb2Emb)?Pipeline$"),
        (
            "a model that draws without a prompt",
            r"^(?:DDIM|DDPM|PNDM|LDM|DiT|ConsistencyModel|KarrasVe|RePaint|ScoreSdeVe)Pipeline$",
        ),
    )
)
# What transformers calls its classes that write.
_WRITES: Final = re.compile(r"For(?:CausalLM|ConditionalGeneration|MaskedLM)$|LMHeadModel$")
_LORA: Final = re.compile(r"\.lora_(?:A|B|up|down)\b|\.lora\.(?:up|down)\b|lora_unet_")
_HEADER_BYTES: Final = 100 * 2**20


def check_kind(model: Path) -> None:
    """Checks that a model is not of another kind, as far as its names tell.

    Raises:
        InvalidModel: says what it is and what would do.
    """
    if model.is_file():
        raise InvalidModel(f"{model} {_file(model)}")
    if not model.is_dir():
        raise InvalidModel(f"there is no model directory {model}; give a diffusers directory")
    if (model / "model_index.json").exists():
        kind = kind_of_pipeline(str(_json(model / "model_index.json").get("_class_name", "")))
        if kind:
            raise InvalidModel(f"{model} is {kind}; Underpaint draws pictures: {GIVE}")
    else:
        raise InvalidModel(f"{model} {_without_index(model)}")


def kind_of_pipeline(name: str) -> str:
    """What a pipeline of another kind is, with its name; "" if it may draw pictures."""
    for kind, pattern in _PIPELINES:
        if pattern.search(name):
            return f"{kind} ({name})"
    return ""


def _file(path: Path) -> str:
    if path.suffix.lower() in PICKLED:
        return (
            "is a pickle, which can run code when it is loaded; save it as a diffusers directory "
            "of safetensors and give that"
        )
    return "is a file; give a diffusers directory, with a model_index.json and its components"


def _without_index(folder: Path) -> str:
    """What a directory without model_index.json is."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        return f"is empty: there is no model in it; fetch it again, or {GIVE}"
    name = _architecture(_json(folder / "config.json"))
    if name and _WRITES.search(name):
        return f"is a language model ({name}); Underpaint draws pictures: {GIVE}"
    if name:
        return f"is a part of a model ({name}); give the whole diffusers directory that it is of"
    if (folder / "adapter_config.json").exists() or any(map(_is_lora, files)):
        return "is a LoRA, which changes a model and is none; give the model that it was made for"
    pickle = next((path for path in files if path.suffix.lower() in PICKLED), None)
    if pickle:
        return (
            f"holds the pickle {pickle.name}, which can run code when it is loaded; save it as a "
            "diffusers directory of safetensors and give that"
        )
    single = next((path for path in files if path.suffix in (".safetensors", ".gguf")), None)
    if single and not (folder / "unet").exists() and not (folder / "transformer").exists():
        return f"has no model_index.json; if {single} is a whole model, give that file"
    return "is no whole diffusers directory: model_index.json is missing; fetch it again"


def _architecture(config: Mapping[str, Any]) -> str:
    """The class in a `config.json` of diffusers or transformers."""
    architectures = config.get("architectures")
    if isinstance(architectures, list) and architectures:
        return str(architectures[0])
    return str(config.get("_class_name") or "")


def _is_lora(path: Path) -> bool:
    if path.suffix != ".safetensors":
        return False
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = file.read(min(length, _HEADER_BYTES)).decode()
    except (OSError, ValueError):
        return False
    return _LORA.search(header) is not None


def _json(path: Path) -> Mapping[str, Any]:
    """A small JSON object; empty if there is none that can be read."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def unloadable(model: str, error: Exception) -> InvalidModel:
    """The error for a model at which a library failed in any way while it was loaded."""
    told = " ".join(str(error).split())
    reason = f"{type(error).__name__}: {told}" if told else type(error).__name__
    return InvalidModel(
        f"the model {model} cannot be loaded ({reason[:300]}); it may be incomplete, or of a kind "
        f"that Underpaint cannot draw with: {GIVE}"
    )
