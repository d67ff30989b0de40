"""Tells what a single file of weights is by the names and shapes of its tensors.

Only the header is read, never the weights. The names are those of the files that model sites offer
(those of the makers' own programs) and of diffusers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from underpaint.contract.errors import InvalidModel

_LORA_PARTS: Final = ("lora_down", "lora_up", "lora_A", "lora_B", ".lora.", "hada_w1", "lokr_w")
_PREFIX: Final = "model.diffusion_model."
GGUF_MAGIC: Final = b"GGUF"


class What(Enum):
    """What a file of weights can be."""

    CHECKPOINT = "checkpoint"  # a whole model, or its denoiser alone in its makers' names
    DENOISER = "denoiser"  # one component of a diffusers directory
    LORA = "LoRA"
    CONTROLNET = "ControlNet"
    AUTOENCODER = "VAE"
    TEXT_ENCODER = "text encoder"
    EMBEDDING = "textual inversion"
    VIDEO = "video model"
    UPSCALER = "upscaler"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file of weights is."""

    what: What
    kind: str = ""  # such as "sdxl" and "flux-dev"; empty if that cannot be told
    title: str = ""  # of the kind, for people
    lacks: tuple[str, ...] = ()  # components that a pipeline of this kind needs and it has not


TITLES: Final[Mapping[str, str]] = {
    "sd1": "Stable Diffusion 1.x",
    "sd1-inpaint": "Stable Diffusion 1.x for inpainting",
    "sd2": "Stable Diffusion 2.x",
    "sd2-inpaint": "Stable Diffusion 2.x for inpainting",
    "sdxl": "SDXL",
    "sdxl-inpaint": "SDXL for inpainting",
    "sdxl-refiner": "the SDXL refiner",
    "playground": "Playground v2.5",
    "pix2pix": "InstructPix2Pix",
    "sd3": "Stable Diffusion 3",
    "sd35-medium": "Stable Diffusion 3.5 Medium",
    "sd35-large": "Stable Diffusion 3.5 Large",
    "flux-dev": "FLUX.1 dev",
    "flux-schnell": "FLUX.1 schnell",
    "flux-fill": "FLUX.1 Fill",
    "flux-depth": "FLUX.1 Depth or Canny",
    "flux2": "FLUX.2",
    "flux3": "FLUX.3",
    "chroma": "Chroma",
    "auraflow": "AuraFlow",
    "lumina2": "Lumina 2",
    "z-image": "Z-Image",
    "sana": "Sana",
    "hidream": "HiDream",
    "qwen-image": "Qwen-Image",
    "pixart": "PixArt",
    "cascade": "Stable Cascade",
    "cosmos": "Cosmos",
}
_AUTOENCODER: Final = ("decoder.conv_in.", "decoder.1.", "decoder.layers.", "first_stage_model.")
_TEXT_ENCODER: Final = ("text_model.", "encoder.block.0.", "transformer.resblocks.")
# In order: the first that fits. Each name is one that only its kind has.
_VIDEO: Final[Mapping[str, str]] = {
    "patchify_proj.weight": "LTX-Video",
    "txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.bias": "HunyuanVideo",
    "head.modulation": "Wan",
    "blocks.0.attn.qkv_x.weight": "Mochi",
    "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0."
    "pos_encoder.pe": "AnimateDiff",
    "input_blocks.1.0.time_stack.in_layers.0.weight": "Stable Video Diffusion",
}
_TRANSFORMERS: Final[Mapping[str, str]] = {
    "single_stream_modulation.lin.weight": "flux2",
    "early_stream_modulations.image.lin.weight": "flux3",
    "distilled_guidance_layer.in_proj.bias": "chroma",
    "cond_seq_linear.weight": "auraflow",
    "layers.0.adaLN_modulation.0.weight": "z-image",
    "cap_embedder.0.weight": "lumina2",
    "blocks.0.cross_attn.q_linear.weight": "sana",
    "double_stream_blocks.0.block.adaLN_modulation.1.bias": "hidream",
    "transformer_blocks.0.img_mod.1.weight": "qwen-image",
    "adaln_single.emb.resolution_embedder.linear_1.weight": "pixart",
    "clip_txt_mapper.weight": "cascade",
    "pos_embedder.dim_spatial_range": "cosmos",
}


def contents_of(header: Mapping[str, Any]) -> Contents:
    """What the file with this header is; the header is one of `checkpoints.read_header`."""
    shapes = {
        name: tuple(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__"
    }
    return classify(shapes)


def classify(shapes: Mapping[str, tuple[int, ...]]) -> Contents:
    """What a file is by the shapes of its tensors."""
    if any(part in name for name in shapes for part in _LORA_PARTS):
        return Contents(What.LORA)
    plain = {name.removeprefix(_PREFIX): shape for name, shape in shapes.items()}
    if _any(plain, "control_model.", "controlnet_cond_embedding.", "controlnet_blocks."):
        return Contents(What.CONTROLNET)
    video = next((title for name, title in _VIDEO.items() if name in plain), "")
    if video:
        return Contents(What.VIDEO, title=video)
    kind = _unet(plain) or _mmdit(plain) or _transformer(plain)
    if kind:
        return Contents(What.CHECKPOINT, kind, TITLES[kind], _lacking(kind, shapes))
    return Contents(next((what for fits, what in _PARTS if fits(plain)), What.UNKNOWN))


def read_gguf(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors of a GGUF file, by name.

    Raises:
        InvalidModel: it is cut or no GGUF file.
    """
    try:
        with path.open("rb") as file:
            return _GgufReader(file.read(64 * 2**20)).shapes()
    except (OSError, ValueError, IndexError, struct.error) as error:
        raise InvalidModel(f"{path} is no whole GGUF file: {error}; fetch it again") from None


class _GgufReader:
    """Reads the beginning of a GGUF file, versions 2 and 3."""

    # Bytes of the scalar types of its metadata; 8 is a string and 9 an array.
    _BYTES: Final = (1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8)

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def shapes(self) -> dict[str, tuple[int, ...]]:
        if self._take(4) != GGUF_MAGIC:
            raise ValueError("it does not begin with GGUF")
        version = self._number("<I")
        if version not in (2, 3):
            raise ValueError(f"version {version} of the format is not known")
        tensors, fields = self._number("<Q"), self._number("<Q")
        for _ in range(fields):
            self._text()
            self._skip(self._number("<I"))
        shapes = {}
        for _ in range(tensors):
            name = self._text()
            # The other way round than everywhere else: the fastest dimension comes first.
            sides = [self._number("<Q") for _ in range(self._number("<I"))]
            self._take(12)  # the type and where it begins
            shapes[name] = tuple(reversed(sides))
        return shapes

    def _skip(self, kind: int) -> None:
        if kind == 8:
            self._text()
        elif kind == 9:
            inner, count = self._number("<I"), self._number("<Q")
            if self._BYTES[inner]:
                self._take(self._BYTES[inner] * count)
            else:
                for _ in range(count):
                    self._skip(inner)
        else:
            self._take(self._BYTES[kind])

    def _text(self) -> str:
        return self._take(self._number("<Q")).decode()

    def _number(self, form: str) -> int:
        (number,) = struct.unpack(form, self._take(struct.calcsize(form)))
        return int(number)

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            raise ValueError("it ends too early")
        self._at += count
        return taken


def _unet(plain: Mapping[str, tuple[int, ...]]) -> str:
    """The kind of Stable Diffusion with a UNet, in its makers' names; empty if it is none."""
    first = plain.get("input_blocks.0.0.weight")
    if first is None or len(first) != 4:
        return ""
    taken = first[1]  # channels
    # The width of the text that the attention looks at tells the text encoders.
    width = next(
        (shape[-1] for name, shape in plain.items() if name.endswith("attn2.to_k.weight")), 0
    )
    if "edm_mean" in plain:
        return "playground"
    if "label_emb.0.0.weight" in plain:
        if width == 1280 or "conditioner.embedders.0.model.text_projection" in plain:
            return "sdxl-refiner"
        return "sdxl-inpaint" if taken == 9 else "sdxl"
    if taken == 8:
        return "pix2pix"
    kind = "sd2" if width == 1024 or _any(plain, "cond_stage_model.model.") else "sd1"
    return f"{kind}-inpaint" if taken == 9 else kind


def _mmdit(plain: Mapping[str, tuple[int, ...]]) -> str:
    """Stable Diffusion 3 and FLUX.1."""
    if "joint_blocks.0.context_block.adaLN_modulation.1.bias" in plain:
        if "joint_blocks.37.x_block.mlp.fc1.weight" in plain:
            return "sd35-large"
        return "sd35-medium" if _any(plain, "joint_blocks.0.x_block.attn2.") else "sd3"
    if "distilled_guidance_layer.in_proj.bias" in plain:
        return "chroma"
    if "double_blocks.0.img_attn.norm.key_norm.scale" not in plain:
        return ""
    if not _any(plain, "guidance_in."):
        return "flux-schnell"
    taken = plain.get("img_in.weight", (0, 64))[-1]
    return {384: "flux-fill", 128: "flux-depth"}.get(taken, "flux-dev")


def _transformer(plain: Mapping[str, tuple[int, ...]]) -> str:
    return next((kind for name, kind in _TRANSFORMERS.items() if name in plain), "")


def _lacking(kind: str, shapes: Mapping[str, Any]) -> tuple[str, ...]:
    """The components that a file does not hold."""
    needed: dict[str, tuple[str, ...]] = {"vae": ("first_stage_model.", "vae.")}
    if kind.startswith(("sd1", "sd2", "pix2pix")):
        needed["text_encoder"] = ("cond_stage_model.",)
    elif kind.startswith(("sdxl", "playground")):
        needed["text_encoder"] = ("conditioner.embedders.0.",)
        needed["text_encoder_2"] = ("conditioner.embedders.1.",)
    elif kind.startswith("sd3"):
        needed["text_encoder"] = ("text_encoders.clip_l.",)
        needed["text_encoder_2"] = ("text_encoders.clip_g.",)
        needed["text_encoder_3"] = ("text_encoders.t5xxl.",)
    elif kind.startswith("flux-"):
        needed["text_encoder"] = ("text_encoders.clip_l.",)
        needed["text_encoder_2"] = ("text_encoders.t5xxl.",)
    return tuple(name for name, prefixes in needed.items() if not _any(shapes, *prefixes))


def _is_embedding(plain: Mapping[str, tuple[int, ...]]) -> bool:
    names = {"emb_params", "clip_l", "clip_g", "string_to_param"}
    few = 0 < len(plain) <= 2 and all(len(shape) <= 2 for shape in plain.values())
    return few and (bool(names & set(plain)) or all(name.startswith("<") for name in plain))


_PARTS: Final[tuple[tuple[Callable[[Mapping[str, tuple[int, ...]]], bool], What], ...]] = (
    (_is_embedding, What.EMBEDDING),
    (lambda plain: _any(plain, "transformer_blocks.0.", "time_embedding."), What.DENOISER),
    (lambda plain: _any(plain, *_AUTOENCODER), What.AUTOENCODER),
    (lambda plain: _any(plain, *_TEXT_ENCODER), What.TEXT_ENCODER),
    (lambda plain: _any(plain, "body.0.", "model.0.weight", "RRDB_trunk."), What.UPSCALER),
)


def _any(names: Iterable[str], *prefixes: str) -> bool:
    return any(name.startswith(prefixes) for name in names)
