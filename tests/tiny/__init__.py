"""Tiny checkpoints of every family, of random weights, made here with diffusers' own classes.

`make("sd15", folder)` writes one as `save_pretrained` does, in safetensors; `MODELS` has all that
there are, `NOT_MADE` those of diffusers' text-to-image pipelines that there are not, and why.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from tests.tiny import (
    cascades,
    flux,
    glm,
    kolors,
    qwen,
    readers,
    recent,
    seeing,
    stable_diffusion,
    wuerstchen,
)
from tests.tiny.parts import Tiny, enliven

__all__ = ["MODELS", "NOT_MADE", "Tiny", "make"]

MODELS: dict[str, Tiny] = {
    **stable_diffusion.MODELS,
    **flux.MODELS,
    **qwen.MODELS,
    **readers.MODELS,
    **recent.MODELS,
    **seeing.MODELS,
    **cascades.MODELS,
    **wuerstchen.MODELS,
    **kolors.MODELS,
    **glm.MODELS,
}

NOT_MADE: dict[str, str] = {
    name: why
    for name, why in {
        "omnigen": "its processor, and so its pipeline, is defined only where torchvision is",
        "unidiffuser": "older than three years, and diffusers keeps it only as deprecated",
        "cosmos2": "its guardrail cannot be left out: it needs cosmos_guardrail and its weights",
        "qwen-image-layered": "it takes a picture apart into layers; it draws none",
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
    if homes := MODELS[name].homes:
        path = folder / "model_index.json"
        index = json.loads(path.read_text())
        index |= {part: [home, index[part][1]] for part, home in homes.items()}
        path.write_text(json.dumps(index))
    return folder
