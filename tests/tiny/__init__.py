"""Tiny checkpoints of every family, of random weights, made here with diffusers' own classes.

`make("sd15", folder)` writes one as `save_pretrained` does, in safetensors; `MODELS` has all that
there are, `NOT_MADE` those of diffusers' text-to-image pipelines that there are not, and why.
"""

from __future__ import annotations

from pathlib import Path

import torch

from tests.tiny import flux, qwen, readers, stable_diffusion
from tests.tiny.parts import Tiny, enliven

__all__ = ["MODELS", "NOT_MADE", "Tiny", "make"]

MODELS: dict[str, Tiny] = {
    **stable_diffusion.MODELS,
    **flux.MODELS,
    **qwen.MODELS,
    **readers.MODELS,
}

NOT_MADE: dict[str, str] = {}


def make(name: str, folder: Path, **saving: object) -> Path:
    """Writes the checkpoint of this name into the folder; `saving` goes to `save_pretrained`."""
    torch.manual_seed(0)
    pipeline = MODELS[name].build()
    enliven(pipeline)
    pipeline.save_pretrained(folder, safe_serialization=True, **saving)
    return folder
