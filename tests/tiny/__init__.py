"""Tiny checkpoints of every family, of random weights, made here with diffusers' own classes.

`make("sd15", folder)` writes one as `save_pretrained` does, in safetensors; `MODELS` has all that
there are, `NOT_MADE` those of diffusers' text-to-image pipelines that there are not, and why.
"""

from __future__ import annotations

from pathlib import Path

import torch

from tests.tiny import cascades, flux, qwen, readers, recent, stable_diffusion
from tests.tiny.parts import Tiny, enliven

__all__ = ["MODELS", "NOT_MADE", "Tiny", "make"]

MODELS: dict[str, Tiny] = {
    **stable_diffusion.MODELS,
    **flux.MODELS,
    **qwen.MODELS,
    **readers.MODELS,
    **recent.MODELS,
    **cascades.MODELS,
}

_SEES = "its processor sees pictures, for which transformers needs torchvision"
_MOVED = "diffusers 0.42 cannot load it: it has moved the class of one of its parts"

NOT_MADE: dict[str, str] = {
    name: why
    for name, why in {
        "qwen-image-edit": _SEES,
        "qwen-image-edit-plus": _SEES,
        "omnigen": _SEES,
        "longcat-image": _SEES,
        "nucleusmoe": _SEES,
        "qwen-image-21": _SEES,
        "glm-image": _SEES,
        "stable-cascade": _MOVED,
        "wuerstchen": _MOVED,
        "unidiffuser": _MOVED,
        "cosmos2": "it does not load without the package cosmos_guardrail and its weights",
        "prx": "it does not run without ftfy",
        "kolors": "its tokenizer needs a vocabulary that sentencepiece has trained",
    }.items()
    if name not in MODELS
}


def make(name: str, folder: Path, dtype: torch.dtype | None = None, **saving: object) -> Path:
    """Writes the checkpoint of this name into the folder; `saving` goes to `save_pretrained`.

    Of halves only: `dtype=torch.float16, variant="fp16"`. In shards: `max_shard_size="100KB"`.
    """
    torch.manual_seed(0)
    pipeline = MODELS[name].build()
    enliven(pipeline)
    if dtype is not None:
        pipeline.to(dtype)
    pipeline.save_pretrained(folder, safe_serialization=True, **saving)
    return folder
