from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers import (
    AutoPipelineForImage2Image,
    AutoPipelineForInpainting,
    DDIMScheduler,
    SanaSprintImg2ImgPipeline,
    SanaSprintPipeline,
)
from PIL import Image
from underpaint.engines.pipelines.latents import Latents
from underpaint.engines.pipelines.levels import noised
from underpaint.engines.pipelines.noising import noised_start
from underpaint.engines.pipelines.schedule import exact_steps

from tests.unit.engines.drawing import (
    LAYOUTS,
    difference,
    draw,
    load,
    size_of,
    slope,
    steps_of,
)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_pipeline_for_words_starts_from_a_noised_picture(
    name: str, tiny_model: Callable[[str], Path]
) -> None:
    pipeline = load(tiny_model, name)
    latents = Latents(pipeline, LAYOUTS[name], size_of(name))
    drafts = slope(name), slope(name, turned=180)
    unit = 0.5 if name == "sana-sprint" else 1.0
    made = {}
    for strength in (0.3, 0.9):
        for turned, draft in enumerate(drafts):
            clean = latents.encode(draft)
            with (
                exact_steps(pipeline, 3, strength) as planned,
                noised_start(pipeline, clean, seed=5) as more,
                steps_of(pipeline) as seen,
            ):
                made[strength, turned] = draw(pipeline, name, steps=3, **more)
                noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(5))
                start = unit * noised(pipeline.scheduler, 0, clean, noise)
            assert len(seen) == planned.calls == 3
            assert torch.allclose(seen[0][0].float(), start.float(), atol=2e-2)
    # Less is left of the draft, the more of it is drawn anew.
    weak, strong = (difference(made[s, 0], made[s, 1]) for s in (0.3, 0.9))
    assert weak > strong
    assert "prepare_latents" not in vars(pipeline)
    assert difference(draw(pipeline, name), draw(pipeline, name)) == 0


@pytest.mark.parametrize("name", ["sd15", "flux-dev", "flux2", "qwen-image", "sana", "sana-sprint"])
def test_what_a_mask_keeps_is_exactly_as_it_was(
    name: str, tiny_model: Callable[[str], Path]
) -> None:
    pipeline, size = load(tiny_model, name), size_of(name)
    latents = Latents(pipeline, LAYOUTS[name], size)
    mask = Image.new("L", size)
    mask.paste(255, (size[0] // 2, 0, size[0], size[1]))
    clean = latents.encode(slope(name))
    drawn = latents.encode_mask(mask, clean)
    unit = 0.5 if name == "sana-sprint" else 1.0
    with (
        exact_steps(pipeline, 3, 0.8),
        noised_start(pipeline, clean, seed=5, drawn=drawn),
        steps_of(pipeline) as seen,
    ):
        step, ended = pipeline.scheduler.step, []

        @wraps(step)
        def ending(*given: Any, **named: Any) -> Any:
            ended.append(step(*given, **named))
            return ended[-1]

        pipeline.scheduler.step = ending
        draw(pipeline, name, steps=3)
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(5))
        for index, (before, _) in enumerate(seen):
            expected = unit * noised(pipeline.scheduler, index, clean, noise)
            kept = (drawn < 0.5).expand_as(clean)
            assert torch.allclose(before[kept].float(), expected[kept].float(), atol=2e-2)
    made, *others = ended[-1]
    drawn = drawn.expand_as(made) > 0.5
    assert torch.equal(made[~drawn], (unit * clean).to(made)[~drawn])
    assert not torch.isclose(made, unit * clean, atol=1e-3)[drawn].all()
    if others and name == "sana-sprint":  # what it decodes
        assert torch.equal(others[0][~drawn], (unit * clean).to(made)[~drawn])


def test_the_same_seed_starts_the_same(tiny_model: Callable[[str], Path]) -> None:
    pipeline = load(tiny_model, "sd15")
    clean = Latents(pipeline, LAYOUTS["sd15"], size_of("sd15")).encode(slope("sd15"))
    starts = []
    for seed in (5, 5, 6):
        with (
            exact_steps(pipeline, 2, 0.7),
            noised_start(pipeline, clean, seed),
            steps_of(pipeline) as seen,
        ):
            draw(pipeline, "sd15")
        starts.append(seen[0][0])
    assert torch.equal(starts[0], starts[1])
    assert not torch.equal(starts[0], starts[2])


def test_a_start_of_another_size_is_refused_in_words(tiny_model: Callable[[str], Path]) -> None:
    pipeline = load(tiny_model, "sd15")
    clean = Latents(pipeline, LAYOUTS["sd15"], (64, 64)).encode(Image.new("RGB", (64, 64)))
    with (
        pytest.raises(ValueError, match="the picture's latents are"),
        exact_steps(pipeline, 2, 0.7),
        noised_start(pipeline, clean, 5),
    ):
        draw(pipeline, "sd15")
    draw(pipeline, "sd15")  # and it is well afterwards


def _sized(pipeline: Any, name: str) -> dict[str, Any]:
    takes = inspect.signature(type(pipeline).__call__).parameters
    width, height = size_of(name)
    return {"width": width, "height": height} if "width" in takes else {}


MASKED = ("sd15", "sdxl", "sd3", "flux-dev", "qwen-image", "z-image")


def _own(pipeline: Any, mask: bool) -> Any:
    loader: Any = AutoPipelineForInpainting if mask else AutoPipelineForImage2Image
    if type(pipeline) is SanaSprintPipeline:  # not in its table
        loader = SanaSprintImg2ImgPipeline
    own = loader.from_pipe(pipeline)
    own.set_progress_bar_config(disable=True)
    return own


@pytest.mark.parametrize(
    ("name", "mask"),
    [
        *((name, False) for name in (*MASKED, "lcm", "sana-sprint")),
        *((name, True) for name in MASKED),
    ],
)
def test_image_to_image_classes_take_exactly_these_steps_and_never_drop_the_draft(
    name: str, mask: bool, tiny_model: Callable[[str], Path]
) -> None:
    pipeline = load(tiny_model, name)
    own = _own(pipeline, mask)
    more = {"image": slope(name)} | _sized(own, name)
    if mask:
        more["mask_image"] = Image.new("L", size_of(name), 255)
    for steps, strength in ((1, 0.6), (4, 0.9)):
        with exact_steps(own, steps, strength) as planned, steps_of(own) as seen:
            first = draw(own, name, steps=steps, strength=strength, **more)
        assert len(seen) == planned.calls == steps
        assert abs(planned.strength - strength) <= 0.02
        turned = more | {"image": slope(name, turned=180)}
        with exact_steps(own, steps, strength):
            second = draw(own, name, steps=steps, strength=strength, **turned)
        assert difference(first, second) > 0


@pytest.mark.parametrize("name", ["sd15", "lcm", "flux-dev"])
def test_image_to_image_takes_as_many_steps_as_are_asked(
    name: str, tiny_model: Callable[[str], Path]
) -> None:
    own = _own(load(tiny_model, name), mask=False)
    with exact_steps(own, 28, 0.3) as planned, steps_of(own) as seen:
        draw(own, name, steps=28, strength=0.3, image=slope(name), **_sized(own, name))
    assert len(seen) == planned.calls == 28
    assert abs(planned.strength - 0.3) <= 0.02


def test_the_same_steps_and_strength_whatever_the_scheduler(
    tiny_model: Callable[[str], Path],
) -> None:
    own = _own(load(tiny_model, "sd15"), mask=False)
    own.scheduler = DDIMScheduler.from_config(own.scheduler.config)
    with exact_steps(own, 4, 0.9), steps_of(own) as seen:
        draw(own, "sd15", steps=4, strength=0.9, image=slope("sd15"))
        assert int(own.scheduler.timesteps[0]) == 899
    assert len(seen) == 4


@pytest.mark.parametrize(
    "kind",
    [
        "EulerDiscreteScheduler",
        "DDIMScheduler",
        "DPMSolverMultistepScheduler",
        "UniPCMultistepScheduler",
        "HeunDiscreteScheduler",
        "FlowMatchEulerDiscreteScheduler",
    ],
)
def test_noise_is_as_much_as_the_scheduler_itself_would_add(kind: str) -> None:
    scheduler = getattr(diffusers, kind)()
    scheduler.set_timesteps(7)
    clean, noise = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8)
    for index in (0, 3, 6):
        at = scheduler.timesteps[index : index + 1]
        if hasattr(scheduler, "scale_noise"):
            expected = scheduler.scale_noise(clean, at, noise)
        else:
            expected = scheduler.add_noise(clean, noise, at)
        assert torch.allclose(noised(scheduler, index, clean, noise), expected, atol=1e-4)
    assert torch.equal(noised(scheduler, len(scheduler.timesteps), clean, noise), clean)
