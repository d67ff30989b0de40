"""Loads tiny checkpoints and looks at what their schedulers see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from PIL import Image
from underpaint.engines.families.family import Layout

from tests.tiny import MODELS

LAYOUTS = {
    "sd15": Layout.SPATIAL,
    "sdxl": Layout.SPATIAL,
    "sd3": Layout.SPATIAL,
    "z-image": Layout.SPATIAL,
    "sana": Layout.SPATIAL,
    "sana-sprint": Layout.SPATIAL,
    "pixart-sigma": Layout.SPATIAL,
    "lumina2": Layout.SPATIAL,
    "auraflow": Layout.SPATIAL,
    "cogview4": Layout.SPATIAL,
    "hunyuan-dit": Layout.SPATIAL,
    "hunyuan-image": Layout.SPATIAL,
    "flux-dev": Layout.PACKED,
    "chroma": Layout.PACKED,
    "qwen-image": Layout.PACKED,
    "flux2": Layout.PATCHED,
    "flux2-klein": Layout.PATCHED,
    "ovis-image": Layout.PACKED,
    "krea2": Layout.PACKED,
    "bria": Layout.PACKED,
    "bria-fibo": Layout.ROWS,
    "ideogram4": Layout.PATCHED_LAST,
    "ernie-image": Layout.PATCHED_MAP,
    "kandinsky5": Layout.FRAMES_LAST,
}


def load(tiny_model: Callable[[str], Path], name: str) -> Any:
    tiny = MODELS[name]
    pipeline = DiffusionPipeline.from_pretrained(
        tiny_model(name), local_files_only=True, use_safetensors=True, **tiny.load
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def size_of(name: str) -> tuple[int, int]:
    return MODELS[name].width, MODELS[name].height


def draw(pipeline: Any, name: str, steps: int = 2, seed: int = 1, **more: Any) -> Image.Image:
    tiny = MODELS[name]
    arguments = dict(tiny.call) | dict.fromkeys(tiny.steps, steps) | more
    if name == "sana-sprint" and steps != 2:
        arguments["intermediate_timesteps"] = None
    if tiny.sized and "image" not in more:
        arguments |= {"width": tiny.width, "height": tiny.height}
    generator = torch.Generator().manual_seed(seed)
    output = pipeline(prompt="a red fox", generator=generator, **arguments)
    picture: Image.Image = (output.images if "images" in output else output.image)[0]
    return picture


def slope(name: str, turned: int = 0) -> Image.Image:
    return Image.linear_gradient("L").rotate(turned).convert("RGB").resize(size_of(name))


@contextmanager
def steps_of(pipeline: Any) -> Iterator[list[tuple[torch.Tensor, torch.Tensor]]]:
    """The latents before and after each step."""
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    kind = type(pipeline.scheduler)
    own = kind.step

    def step(self: Any, output: Any, timestep: Any, sample: Any, *given: Any, **named: Any) -> Any:
        made = own(self, output, timestep, sample, *given, **named)
        seen.append((sample.clone(), made[0].clone()))
        return made

    step.__signature__ = __import__("inspect").signature(own)  # type: ignore[attr-defined]
    kind.step = step
    try:
        yield seen
    finally:
        kind.step = own


def difference(one: Image.Image, other: Image.Image) -> float:
    first, second = (np.asarray(each.convert("RGB"), dtype=float) for each in (one, other))
    return float(np.abs(first - second).mean())
