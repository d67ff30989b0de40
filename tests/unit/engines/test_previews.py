from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from PIL import Image
from underpaint.contract.pictures import encode_preview
from underpaint.engines.families.family import Layout
from underpaint.engines.pipelines.latents import Latents
from underpaint.engines.pipelines.previews import Previewer

from tests.unit.engines.drawing import LAYOUTS, difference, draw, load, size_of, slope, steps_of


def _shown(picture: Image.Image) -> Image.Image:
    return Image.open(io.BytesIO(encode_preview(picture)))


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_has_previews(name: str, tiny_model: Callable[[str], Path]) -> None:
    pipeline = load(tiny_model, name)
    latents = Latents(pipeline, LAYOUTS[name], size_of(name))
    previewer = Previewer(latents, pipeline.scheduler)
    with steps_of(pipeline) as seen:
        draw(pipeline, name)
    shown = [previewer.follow(after, show=True) for _, after in seen]
    for jpeg in shown:
        width, height = Image.open(io.BytesIO(jpeg)).size
        shrink = min(1, 192 / max(size_of(name)))
        assert (width, height) == pytest.approx([side * shrink for side in size_of(name)], abs=2)
    assert previewer.follow(seen[-1][1], show=False) == b""


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("EulerDiscreteScheduler", {}),
        ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
        ("DPMSolverMultistepScheduler", {}),
        ("UniPCMultistepScheduler", {}),
        ("DEISMultistepScheduler", {}),
        ("HeunDiscreteScheduler", {}),
        ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
    ],
)
def test_two_latents_give_away_the_clean_picture(
    kind: str, more: dict[str, Any], tiny_model: Callable[[str], Path]
) -> None:
    latents = Latents(load(tiny_model, "sd15"), Layout.SPATIAL, size_of("sd15"))
    clean = latents.encode(slope("sd15"))
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    scheduler = getattr(diffusers, kind)(**more)
    scheduler.set_timesteps(8)
    flow = "Flow" in kind
    start = scheduler.scale_noise if flow else scheduler.add_noise
    now = (
        start(clean, scheduler.timesteps[:1], noise)
        if flow
        else start(clean, noise, scheduler.timesteps[:1])
    )
    previewer, shown = Previewer(latents, scheduler), []
    for timestep in scheduler.timesteps[:3]:
        output = noise - clean if flow else noise  # a denoiser that knows the noise
        if hasattr(scheduler, "scale_model_input"):
            scheduler.scale_model_input(now, timestep)
        now = scheduler.step(output, timestep, now, return_dict=False)[0]
        shown.append(Image.open(io.BytesIO(previewer.follow(now, show=True))))
    expected, noisy = (_shown(latents.decode(each)) for each in (clean, now))
    assert min(difference(each, expected) for each in shown[1:]) < 2
    assert difference(noisy, expected) > 5


def test_a_preview_is_small(tiny_model: Callable[[str], Path]) -> None:
    pipeline = load(tiny_model, "sd15")
    latents = Latents(pipeline, Layout.SPATIAL, (1024, 512))
    jpeg = Previewer(latents, pipeline.scheduler).follow(torch.randn(1, 4, 64, 128), show=True)
    width, height = Image.open(io.BytesIO(jpeg)).size
    assert width == 2 * height <= 256
    assert latents.decode(torch.randn(1, 4, 64, 128), 256).size == (256, 128)


def test_what_cannot_be_shown_is_told_in_one_line(
    tiny_model: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = load(tiny_model, "sd15")
    latents = Latents(pipeline, Layout.OTHER, size_of("sd15"))
    with caplog.at_level(logging.WARNING):
        assert Previewer(latents, pipeline.scheduler).follow(torch.ones(1), show=True) == b""
        fine = Latents(pipeline, Layout.SPATIAL, size_of("sd15"))
        bad = torch.full((1, 4, 8, 12), torch.nan)
        assert Previewer(fine, pipeline.scheduler).follow(bad, show=True) == b""
    assert [each.getMessage() for each in caplog.records] == [
        "no preview: the latents have no known layout",
        "no preview: NaN or infinite numbers",
    ]
