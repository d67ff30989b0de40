"""Loads a tiny checkpoint with diffusers alone, and draws with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from numpy.typing import NDArray
from PIL import Image
from underpaint.engines.pipelines.ready import ready_parts

from tests.tiny.parts import Tiny

Drawing = NDArray[np.float64]


def load(tiny: Tiny, folder: Path, **more: Any) -> Any:
    """The pipeline that the directory names, from disk and from safetensors alone."""
    index = json.loads((folder / "model_index.json").read_text())
    pipeline = DiffusionPipeline.from_pretrained(
        folder,
        local_files_only=True,
        use_safetensors=True,
        **ready_parts(folder, index),
        **tiny.load,
        **more,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def slope(tiny: Tiny, turned: bool = False) -> Image.Image:
    """A picture of the checkpoint's size, light below; or above."""
    picture = Image.linear_gradient("L").convert("RGB").resize((tiny.width, tiny.height))
    return picture.rotate(180) if turned else picture


def draw(
    pipeline: Any,
    tiny: Tiny,
    prompt: str = "a red fox",
    seed: int = 1,
    turned: bool = False,
    more: Mapping[str, Any] | None = None,
) -> Drawing:
    """A picture of two steps, as numbers from 0 to 255."""
    arguments = dict(tiny.call) | dict.fromkeys(tiny.steps, 2)
    if tiny.sized:
        arguments |= {"width": tiny.width, "height": tiny.height}
    arguments |= {picture: slope(tiny, turned) for picture in tiny.pictures}
    generator = torch.Generator().manual_seed(seed)
    result = pipeline(prompt=prompt, generator=generator, **arguments | dict(more or {}))
    (made,) = result.image if hasattr(result, "image") else result.images
    return np.asarray(made.convert("RGB"), dtype=np.float64)


def unlike(one: Drawing, other: Drawing) -> float:
    """How far two pictures are from one another, of 255."""
    return float(np.abs(one - other).mean())
