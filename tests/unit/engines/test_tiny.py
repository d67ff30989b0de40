"""Each tiny checkpoint is loaded by diffusers itself, from disk, and draws."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from numpy.typing import NDArray
from PIL import Image

from tests.tiny import MODELS, Tiny

Drawing = NDArray[np.float64]


@pytest.mark.parametrize("name", MODELS)
def test_it_loads_from_disk_and_draws(name: str, tiny_model: Callable[[str], Path]) -> None:
    tiny, folder = MODELS[name], tiny_model(name)
    assert not [*folder.rglob("*.bin"), *folder.rglob("*.pt")]
    pipeline = DiffusionPipeline.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, **tiny.load
    )
    pipeline.set_progress_bar_config(disable=True)

    drawn = draw(pipeline, tiny)
    assert drawn.shape == (tiny.height, tiny.width, 3)
    assert drawn.std() > 10
    assert np.abs(drawn - draw(pipeline, tiny, seed=2)).mean() > 1
    assert np.abs(drawn - draw(pipeline, tiny, prompt="a blue boat house")).any()
    if tiny.pictures:
        assert np.abs(drawn - draw(pipeline, tiny, turned=True)).mean() > 1


def draw(
    pipeline: Any, tiny: Tiny, prompt: str = "a red fox", seed: int = 1, turned: bool = False
) -> Drawing:
    arguments = dict(tiny.call) | dict.fromkeys(tiny.steps, 2)
    if tiny.sized:
        arguments |= {"width": tiny.width, "height": tiny.height}
    for picture in tiny.pictures:
        slope = Image.linear_gradient("L").convert("RGB").resize((tiny.width, tiny.height))
        arguments[picture] = slope.rotate(180 if turned else 0)
    generator = torch.Generator().manual_seed(seed)
    (made,) = pipeline(prompt=prompt, generator=generator, **arguments).images
    return np.asarray(made.convert("RGB"), dtype=np.float64)
