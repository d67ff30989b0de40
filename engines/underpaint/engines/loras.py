"""LoRA files: what each is for, checked by its header before anything is loaded."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from underpaint.contract.errors import InvalidModel
from underpaint.contract.paths import expanded
from underpaint.engines.checkpoints import UNSAFE_SUFFIXES, read_header
from underpaint.engines.families.family import Checkpoint, Family
from underpaint.engines.sniffing import What, contents_of

MOST_WEIGHT: Final = 2.0  # on either side of 0
_DOWN: Final = ("lora_down.weight", "lora_A.weight", "lora_A.default.weight", "hada_w1_b", "down")
_TEXT_WIDTHS: Final = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
# The architectures of LoRAs, and the families that they fit.
_FITS: Final[Mapping[str, tuple[str, ...]]] = {
    "sd1": ("sd1", "sd-inpaint"),
    "sd2": ("sd2", "sd-inpaint"),
    "sdxl": ("sdxl", "sdxl-inpaint"),
    "sd3": ("sd3",),
    # AuraFlow's and Fibo's layers have the same names.
    "flux": (
        *("flux", "flux-kontext", "flux-fill", "flux-control", "chroma", "auraflow"),
        *("fibo", "fibo-edit"),
    ),
    "flux2": ("flux2", "flux2-klein", "flux2-klein-kv"),
    "qwen-image": ("qwen-image", "qwen-image-edit", "qwen-image-edit-plus"),
    "z-image": ("z-image", "z-image-omni", "ideogram4", "fibo2"),  # all with such layers
    "hidream": ("hidream",),
    "video": (),
}
_TITLES: Final = {
    "sd1": "Stable Diffusion 1.x",
    "sd2": "Stable Diffusion 2.x",
    "sdxl": "SDXL",
    "sd3": "Stable Diffusion 3",
    "flux": "FLUX.1",
    "flux2": "FLUX.2",
    "qwen-image": "Qwen-Image",
    "z-image": "Z-Image",
    "hidream": "HiDream",
    "video": "a video model",
}
# In order. Of the names of the tensors with all dots as underscores, those that only one kind has.
_SIGNS: Final[tuple[tuple[str, str], ...]] = (
    (r"double_stream_modulation|to_qkv_mlp_proj", "flux2"),
    (r"double_stream_blocks|single_stream_blocks", "hidream"),
    (r"joint_blocks", "sd3"),
    (r"(^|_)(double|single)_blocks|single_transformer_blocks", "flux"),
    (r"transformer_blocks_\d+_(img|txt)_m(lp|od)", "qwen-image"),
    (r"transformer_blocks_\d+_attn_(add_[qkv]_proj|to_add_out)", "sd3"),
    (r"(^|_)layers_\d+_(attention|adaLN_modulation)", "z-image"),
    (r"(^|_)blocks_\d+_(self_attn|cross_attn)", "video"),
    (r"temporal_transformer|motion_modules", "video"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraFile:
    """A LoRA that can be loaded."""

    name: str  # that requests call it by
    path: Path
    digest: str  # SHA-256 of the file
    weight: float = 1.0  # unless a request says otherwise
    architecture: str = ""  # such as "sdxl"; empty if its names do not tell
    text_width: int = 0  # of the text features that its UNet looks at; 0 if it does not
    rank: int = 0

    @property
    def title(self) -> str:
        """What it is for, for people."""
        return _TITLES.get(self.architecture, "an unknown kind of model")

    def check_fits(self, family: Family, checkpoint: Checkpoint) -> None:
        """Checks that it was made for models of a family.

        Raises:
            InvalidModel: says what it is for.
        """
        if not family.loras:
            raise InvalidModel(f"{family.title} takes no LoRAs; leave {self.path} out")
        told = f"{self.path} is a LoRA for {self.title}, not for {family.title}"
        if self.architecture and family.name not in _FITS[self.architecture]:
            raise InvalidModel(f"{told}; give one that was made for it")
        width = checkpoint.config("unet").get("cross_attention_dim")
        if self.text_width and isinstance(width, int) and width != self.text_width:
            raise InvalidModel(
                f"{self.path} is a LoRA for a model with text features {self.text_width} wide; "
                f"those of {checkpoint.name or family.title} are {width} wide: give another one"
            )


def parse(text: str) -> tuple[Path, float]:
    """The file and the weight of FILE[:WEIGHT].

    Raises:
        InvalidModel: the weight is out of range.
    """
    file, colon, last = text.rpartition(":")
    try:
        weight = float(last) if colon else 1.0
    except ValueError:  # a colon of the file's own name
        file, weight = text, 1.0
    if not math.isfinite(weight) or abs(weight) > MOST_WEIGHT:
        raise InvalidModel(
            f"the weight {weight:g} of {file} is out of range; "
            f"give -{MOST_WEIGHT:g} to {MOST_WEIGHT:g}"
        )
    return expanded(Path(file if colon else text)), weight


def whole_path(text: str) -> str:
    """FILE[:WEIGHT] with the whole path of the file.

    Raises:
        InvalidModel: the weight is out of range.
    """
    file, weight = parse(text)
    return f"{file.resolve()}:{weight!r}"


def read_lora(path: Path, weight: float = 1.0) -> LoraFile:
    """Checks a LoRA and tells what it is for.

    Raises:
        InvalidModel: it is missing, corrupt, pickled, or no LoRA.
    """
    if path.suffix.lower() in UNSAFE_SUFFIXES:
        raise InvalidModel(
            f"{path} is pickled and can run code when loaded; get the LoRA as .safetensors"
        )
    if not path.is_file():
        raise InvalidModel(f"there is no LoRA {path}; give a .safetensors file")
    header = read_header(path)
    contents = contents_of(header)
    if contents.what is not What.LORA:
        known = contents.what is not What.UNKNOWN
        what = contents.title or (f"a {contents.what.value}" if known else "something else")
        raise InvalidModel(f"{path} is no LoRA: it is {what}; give a LoRA as .safetensors")
    shapes = {
        name: tuple(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__"
    }
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    width = _text_width(shapes)
    return LoraFile(
        name=path.stem[:100],
        path=path,
        digest=digest,
        weight=weight,
        architecture=_architecture(shapes, width, header.get("__metadata__", {})),
        text_width=width,
        rank=max(
            (shape[0] for name, shape in shapes.items() if shape and name.endswith(_DOWN)),
            default=0,
        ),
    )


def read_loras(given: Iterable[str], family: Family, checkpoint: Checkpoint) -> list[LoraFile]:
    """The LoRAs of a setting: FILE[:WEIGHT] each.

    Raises:
        InvalidModel: one of them cannot be used, or two have the same name.
    """
    found: dict[str, LoraFile] = {}
    for text in given:
        lora = read_lora(*parse(text))
        lora.check_fits(family, checkpoint)
        if lora.name in found:
            raise InvalidModel(
                f"{lora.path} and {found[lora.name].path} would have the same name; rename one"
            )
        found[lora.name] = lora
    return list(found.values())


def name_with(name: str, loras: Sequence[LoraFile]) -> str:
    """The name of an engine that adds some LoRAs to a model, so that a receipt tells which.

    Args:
        name: of the model.
        loras: that it adds, with their weights.
    """
    told = [f"{lora.digest[:8]}" + f":{lora.weight:g}" * (lora.weight != 1) for lora in loras]
    return "+".join([name, *(f"lora:{each}" for each in told)])


def beside(model: Path) -> tuple[Path, ...]:
    """The LoRAs that lie in a model's directory or beside its file, where nothing uses them.

    Args:
        model: a diffusers directory, or a single file.
    """
    folder = model if model.is_dir() else model.parent
    candidates = [*folder.glob("*.safetensors"), *folder.glob("lora*/*.safetensors")]
    return tuple(sorted(path for path in candidates if path != model and _is_lora(path)))


def _is_lora(path: Path) -> bool:
    try:
        return contents_of(read_header(path)).what is What.LORA
    except InvalidModel:  # whatever lies there is told about when it is used
        return False


def _text_width(shapes: Mapping[str, tuple[int, ...]]) -> int:
    for name, shape in shapes.items():
        is_key = "attn2" in name and re.search(r"to_k\b|to_k_", name.replace(".", "_"))
        if is_key and name.endswith(_DOWN) and len(shape) >= 2:
            return shape[1]
    return 0


def _architecture(
    shapes: Mapping[str, tuple[int, ...]], width: int, metadata: Mapping[str, Any]
) -> str:
    flat = [name.replace(".", "_") for name in shapes]
    for pattern, architecture in _SIGNS:
        if any(re.search(pattern, name) for name in flat):
            if architecture == "flux":
                return _which_flux(shapes)
            if architecture == "sd3" and _inner_width(shapes) == 3072:
                return "qwen-image"  # which has the same names, and is wider
            return architecture
    if any("te2_" in name or "text_encoder_2_" in name for name in flat):
        return "sdxl"
    if width in _TEXT_WIDTHS:
        return _TEXT_WIDTHS[width]
    told = f"{metadata.get('modelspec.architecture', '')} {metadata.get('ss_base_model_version')}"
    for words, architecture in (("xl", "sdxl"), ("flux", "flux"), ("sd3", "sd3"), ("v1", "sd1")):
        if words in told.lower():
            return architecture
    return ""


def _which_flux(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """FLUX.1 or FLUX.2, whose own names are the same: the second has a wider inner layer."""
    for name, shape in shapes.items():
        flat = name.replace(".", "_")
        up = name.endswith(("lora_up.weight", "lora_B.weight"))
        if re.search(r"single_blocks_\d+_linear1", flat) and up and shape[0] != 21_504:
            return "flux2"
    return "flux"


def _inner_width(shapes: Mapping[str, tuple[int, ...]]) -> int:
    return next(
        (shape[1] for n, shape in shapes.items() if n.endswith(_DOWN) and len(shape) > 1), 0
    )
