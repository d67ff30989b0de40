"""Each row of the table of families, tried on both tiers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from underpaint.cloud.engine import Cancelled
from underpaint.contract.errors import InvalidModel, InvalidRequest
from underpaint.contract.generation import Progress
from underpaint.contract.pictures import decode
from underpaint.edge.draft_queue import Stopped
from underpaint.edge.engine import LiteEngine
from underpaint.engines.families import family_of
from underpaint.engines.families.family import Start
from underpaint.engines.forms import find
from underpaint.engines.options import Options
from underpaint.engines.pipelines.plan import UNKNOWN

from tests.unit.engines.family_rows import (
    BY_NAME,
    CPU,
    DRAWS,
    NAMES,
    POLISHES,
    ROWS,
    SCHEDULERS,
    Row,
    asked,
    calls_of,
    drafts,
    engines,
    folder,
    full_of,
    inputs,
    lite_of,
    pixels,
    polish,
    tiny,
)

__all__ = ["engines", "folder"]  # fixtures


def test_every_family_has_a_row_or_no_tiny_checkpoint() -> None:
    made = {ROWS[name].family for name in NAMES}
    rows = {row.family for row in ROWS.values()}
    assert rows <= set(BY_NAME)
    assert made <= rows


@pytest.mark.parametrize("name", NAMES)
def test_it_is_called_as_its_makers_say(folder: Path, name: str) -> None:
    form = find(str(tiny(folder, name)))
    family = family_of(form.checkpoint)
    assert family is not None
    manner = family.manner_of(form.checkpoint)
    told = Row(
        family.name,
        manner.num_inference_steps,
        manner.guidance_scale,
        family.native_size(form.checkpoint),
    )
    assert told == ROWS[name]


@pytest.mark.parametrize("name", DRAWS)
def test_lite_draws_in_exactly_so_many_steps_and_stops_within_one(
    folder: Path, engines: dict[str, Any], name: str
) -> None:
    lite = lite_of(folder, engines, name)
    size = lite._model.nearest_size(128, 64)
    counts = {}
    for steps in (1, 4):
        told: list[tuple[int, int]] = []
        with calls_of(lite._model) as calls:
            result = lite.generate(
                asked(name, num_inference_steps=steps), lambda *step, told=told: told.append(step)
            )
        assert told == [(step, steps) for step in range(1, steps + 1)]
        assert decode(result.picture).size == (result.width, result.height) == size
        counts[steps] = len(calls)
    # Lumina 2 leaves the guidance out of some of the steps.
    assert counts[4] == 4 * counts[1] > 0 or name == "lumina2"

    def stop(step: int, _steps: int) -> None:
        if step == 2:
            raise Stopped

    with calls_of(lite._model) as calls, pytest.raises(Stopped):
        lite.generate(asked(name), stop)
    assert 2 * counts[1] <= len(calls) < counts[4]


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(DRAWS)))
def test_a_model_that_needs_a_picture_is_no_lite(folder: Path, name: str) -> None:
    with pytest.raises(InvalidModel, match="cannot draw from words alone; give it as the Full"):
        LiteEngine(str(tiny(folder, name)), options=Options(placement=CPU), threads=1)


@pytest.mark.parametrize("name", POLISHES)
def test_full_takes_exactly_so_many_steps_at_any_strength_and_stops_within_one(
    folder: Path, engines: dict[str, Any], name: str
) -> None:
    full = full_of(folder, engines, name)
    family, (draft, _) = full._model.family, drafts()
    each = None
    for steps, strength in ((1, 0.6), (4, 0.3), (4, 0.9)):
        request = asked(name, num_inference_steps=steps, strength=strength)
        with calls_of(full._model) as calls:
            result, told = polish(full, request, inputs(family, draft))
        denoising = [progress.step for progress in told if progress.stage == "denoising"]
        assert denoising == list(range(1, steps + 1))
        each = each or len(calls)
        assert len(calls) == steps * each or name == "lumina2"
        assert decode(result.picture).size == (result.width, result.height) == (128, 64)
        shown = [progress for progress in told if progress.preview]
        assert len(shown) > 1 or family.layout in UNKNOWN
        assert ("strength has no effect" in str(result.warnings)) == (
            family.start is Start.REFERENCE
        )
    seen: list[Progress] = []
    with calls_of(full._model) as calls, pytest.raises(Cancelled):
        full.generate(
            asked(name, strength=0.6), inputs(family, draft), seen.append, lambda: len(seen) == 1
        )
    assert each
    assert 2 * each <= len(calls) < 4 * each


@pytest.mark.parametrize("name", POLISHES)
def test_full_starts_from_its_draft(folder: Path, engines: dict[str, Any], name: str) -> None:
    full = full_of(folder, engines, name)
    family = full._model.family
    apart = {}
    for strength in (0.2, 1.0):
        request = asked(name, num_inference_steps=3, strength=strength)
        one, other = (
            pixels(polish(full, request, inputs(family, each, control=drafts()[0]))[0])
            if family.own_control
            else pixels(polish(full, request, inputs(family, each))[0])
            for each in drafts()
        )
        apart[strength] = float(np.abs(one - other).mean())
    if family.start is Start.REFERENCE:
        assert apart[0.2] > 0
    elif name == "amused":  # keeps some of the draft's tokens even at strength 1
        assert apart[0.2] > 1
    else:
        assert apart[0.2] > max(1.0, 1.5 * apart[1.0])


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize(("steps", "strength"), [(28, 0.3), (28, 0.9), (1, 0.3), (1, 1.0)])
def test_steps_are_exact_with_every_kind_of_scheduler(
    folder: Path, engines: dict[str, Any], name: str, steps: int, strength: float
) -> None:
    full = full_of(folder, engines, name)
    request = asked(name, num_inference_steps=steps, strength=strength)
    with calls_of(full._model) as calls:
        polish(full, request, inputs(full._model.family, drafts()[0]))
    with calls_of(full._model) as once:
        polish(
            full,
            replace(request, num_inference_steps=1),
            inputs(full._model.family, drafts()[0]),
        )
    assert len(calls) == steps * len(once)


@pytest.mark.parametrize("name", POLISHES)
def test_what_a_mask_keeps_stays(folder: Path, engines: dict[str, Any], name: str) -> None:
    full = full_of(folder, engines, name)
    family, (draft, _) = full._model.family, drafts()
    mask = Image.new("L", draft.size, 0)
    ImageDraw.Draw(mask).rectangle((0, 0, 63, 63), fill=255)
    given = inputs(family, draft, mask=mask)
    if family.layout in UNKNOWN and family.inpaint is None:
        with pytest.raises(InvalidRequest, match="takes no mask"):
            polish(full, asked(name, strength=1.0), given)
        return
    one, other = (
        pixels(polish(full, asked(name, strength=1.0, seed=seed), given)[0]) for seed in (1, 2)
    )
    if family.inpaint is not None:  # what the class of diffusers makes of it
        plain = pixels(polish(full, asked(name, strength=1.0, seed=2), inputs(family, draft))[0])
        assert np.abs(plain - other).mean() > 0
        return
    apart = np.abs(one - other).mean(2)
    assert apart[:, 96:].mean() < apart[:, :32].mean()


@pytest.mark.parametrize("name", ["sd15", "flux-dev", "sana", "flux2"])
def test_what_a_model_does_not_take_is_an_error_or_a_warning(
    folder: Path, engines: dict[str, Any], name: str
) -> None:
    full = full_of(folder, engines, name)
    family, (draft, other) = full._model.family, drafts()
    request = asked(name, strength=0.6, num_inference_steps=1)
    with pytest.raises(InvalidRequest, match="takes no control map"):
        polish(full, request, inputs(family, draft, control=other, control_kind="edges"))
    with pytest.raises(InvalidRequest, match=r"takes (no|at most 3) references"):
        polish(full, request, inputs(family, draft, references=(other,) * 4))
    worded, _ = polish(full, replace(request, negative_prompt="a boat"), inputs(family, draft))
    ignored = not family.negative(request.guidance_scale)
    assert ("negative prompt has no effect" in str(worded.warnings)) == ignored


def test_a_guidance_that_does_nothing_is_told(folder: Path, engines: dict[str, Any]) -> None:
    lite = lite_of(folder, engines, "flux-schnell")
    plain = lite.generate(asked("flux-schnell"))
    guided = lite.generate(asked("flux-schnell", guidance_scale=5.0))
    assert plain.picture == guided.picture
    assert plain.warnings == ()
    assert "the guidance has no effect" in str(guided.warnings)


def test_qwen_is_guided_without_a_negative_prompt(folder: Path, engines: dict[str, Any]) -> None:
    """Its guidance is `true_cfg_scale`, and does nothing unless there is a negative prompt."""
    lite = lite_of(folder, engines, "qwen-image")
    weak, strong = (
        lite.generate(asked("qwen-image", guidance_scale=each)).picture for each in (1.0, 4.0)
    )
    assert weak != strong


def test_a_result_says_its_true_size(folder: Path, engines: dict[str, Any]) -> None:
    lite = lite_of(folder, engines, "sd15")
    result = lite.generate(asked("sd15", width=200, height=136))
    assert (result.width, result.height) == decode(result.picture).size == (192, 128)


def test_steps_that_a_scheduler_cannot_take_are_told(folder: Path, engines: dict[str, Any]) -> None:
    """Heun calls the model twice a step, but once in the last."""
    lite = lite_of(folder, engines, "sd15")
    assert lite.generate(asked("sd15", scheduler="heun", num_inference_steps=5)).warnings == ()
    result = lite.generate(asked("sd15", scheduler="heun", num_inference_steps=4))
    assert "3 of 4 steps were taken" in str(result.warnings)


def test_autoencoders_for_video_stay_as_they_are(folder: Path, engines: dict[str, Any]) -> None:
    lite = lite_of(folder, engines, "qwen-image")
    assert any(weights.ndim == 5 for weights in lite._model.pipeline.vae.parameters())
    assert isinstance(lite._model.pipeline.vae, torch.nn.Module)
    assert lite.generate(asked("qwen-image")).picture
