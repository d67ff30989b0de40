"""The table of families: each is built tiny, and tried on both tiers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from underpaint.cloud.engine import Cancelled, FullEngine
from underpaint.cloud.upscaler import LanczosUpscaler
from underpaint.contract.errors import InvalidModel, InvalidRequest
from underpaint.contract.generation import GenerationRequest, GenerationResult, Progress
from underpaint.contract.inputs import InputPictures
from underpaint.contract.pictures import decode
from underpaint.edge.draft_queue import Stopped
from underpaint.edge.engine import LiteEngine
from underpaint.engines.families import FAMILIES, family_of
from underpaint.engines.families.family import Family, Start
from underpaint.engines.forms import find
from underpaint.engines.options import Options
from underpaint.engines.pipelines.plan import UNKNOWN
from underpaint.engines.placement import Placement

from tests.tiny import MODELS, make

CPU = Placement(device="cpu", dtype="float32")
NATIVE = 96  # pixels a side, in the card, so that the table takes seconds


@dataclass(frozen=True)
class Row:
    """What is expected of a tiny checkpoint."""

    family: str
    steps: int
    guidance: float
    native: tuple[int, int] = (1024, 1024)


ROWS = {
    "sd15": Row("sd1", 50, 7.5, (128, 128)),
    "sd15-inpaint": Row("sd-inpaint", 50, 7.5, (128, 128)),
    "sd21": Row("sd2", 50, 7.5, (128, 128)),
    "sd-turbo": Row("sd2", 1, 0.0, (128, 128)),
    "lcm": Row("sd1", 4, 8.0, (128, 128)),
    "sdxl": Row("sdxl", 50, 5.0, (128, 128)),
    "sdxl-refiner": Row("sdxl-refiner", 50, 5.0, (128, 128)),
    "sdxl-turbo": Row("sdxl", 1, 0.0, (128, 128)),
    "sd3": Row("sd3", 28, 7.0, (128, 128)),
    "sd3-without-t5": Row("sd3", 28, 7.0, (128, 128)),
    "flux-dev": Row("flux", 28, 3.5),
    "flux-schnell": Row("flux", 4, 0.0),
    "flux-kontext": Row("flux-kontext", 28, 2.5),
    "flux-fill": Row("flux-fill", 50, 30.0),
    "flux-control": Row("flux-control", 50, 30.0),
    "flux2": Row("flux2", 50, 4.0),
    "flux2-klein": Row("flux2-klein", 4, 1.0),
    "flux2-klein-base": Row("flux2-klein", 50, 4.0),
    "chroma": Row("chroma", 40, 3.0),
    "z-image": Row("z-image", 50, 4.0),
    "z-image-turbo": Row("z-image", 8, 0.0),
    "qwen-image": Row("qwen-image", 50, 4.0, (1328, 1328)),
    "qwen-image-edit": Row("qwen-image-edit", 50, 4.0),
    "qwen-image-edit-plus": Row("qwen-image-edit-plus", 40, 4.0),
    "qwen-image-21": Row("qwen-image-2.1", 40, 1.0),
    "hunyuan-image": Row("hunyuan-image", 50, 3.5, (2048, 2048)),
    "hunyuan-image-distilled": Row("hunyuan-image", 8, 3.25, (2048, 2048)),
    "ovis-image": Row("ovis", 50, 5.0),
    "sana": Row("sana", 20, 4.5),
    "sana-sprint": Row("sana-sprint", 2, 4.5),
    "pixart-alpha": Row("pixart-alpha", 20, 4.5),
    "pixart-sigma": Row("pixart-sigma", 20, 4.5, (128, 128)),
    "lumina": Row("lumina", 30, 4.0),
    "lumina2": Row("lumina2", 50, 4.0),
    "hunyuan-dit": Row("hunyuan-dit", 50, 5.0, (128, 128)),
    "auraflow": Row("auraflow", 50, 3.5, (128, 128)),
    "cogview3-plus": Row("cogview3", 50, 7.0, (128, 128)),
    "cogview4": Row("cogview4", 50, 3.5, (128, 128)),
    "kolors": Row("kolors", 50, 5.0, (128, 128)),
    "kandinsky22": Row("kandinsky22", 50, 4.0, (512, 512)),
    "kandinsky3": Row("kandinsky3", 25, 3.0),
    "kandinsky5": Row("kandinsky5", 50, 3.5),
    "stable-cascade": Row("stable-cascade", 20, 4.0),
    "omnigen": Row("omnigen", 50, 2.5),
    "hidream": Row("hidream", 50, 5.0),
    "bria": Row("bria", 30, 5.0),
    "bria-fibo": Row("fibo", 50, 5.0),
    "longcat-image": Row("longcat", 50, 4.5),
    "glm-image": Row("glm-image", 50, 1.5),
    "prx": Row("prx", 28, 5.0, (512, 512)),
    "krea2": Row("krea2", 28, 4.5),
    "krea2-distilled": Row("krea2", 8, 0.0),
    "ideogram4": Row("ideogram4", 48, 7.0, (2048, 2048)),
    "ernie-image": Row("ernie-image", 50, 4.0),
    "nucleusmoe": Row("nucleus", 50, 4.0),
    "deepfloyd-if": Row("if", 100, 7.0, (64, 64)),
    "amused": Row("amused", 12, 10.0, (256, 256)),
}
NAMES = [name for name in ROWS if name in MODELS]
BY_NAME = {family.name: family for family in FAMILIES}
DRAWS = [name for name in NAMES if BY_NAME[ROWS[name].family].text_to_image]
POLISHES = [name for name in NAMES if BY_NAME[ROWS[name].family].start is not Start.NEVER]
# One of each kind of scheduler.
SCHEDULERS = ["sd15", "sdxl", "lcm", "flux-dev", "sana-sprint", "pixart-sigma", "amused"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("families")


def tiny(folder: Path, name: str) -> Path:
    """The checkpoint of a row, made when it is first asked for."""
    directory = folder / name
    if not directory.exists():
        make(name, directory)
        (directory / "underpaint.json").write_text(
            json.dumps({"name": name, "native_size": NATIVE})
        )
    return directory


@pytest.fixture(scope="module")
def engines(folder: Path) -> dict[str, Any]:
    """The engines of one checkpoint at a time, which the tests of it share."""
    return {}


def lite_of(folder: Path, engines: dict[str, Any], name: str) -> LiteEngine:
    if engines.get("lite") != name:
        engines.clear()
        engines.update(
            lite=name,
            engine=LiteEngine(str(tiny(folder, name)), options=Options(placement=CPU), threads=1),
        )
    found: LiteEngine = engines["engine"]
    return found


def full_of(folder: Path, engines: dict[str, Any], name: str) -> FullEngine:
    if engines.get("full") != name:
        engines.clear()
        options = Options(placement=CPU)
        made = FullEngine(str(tiny(folder, name)), LanczosUpscaler(), threads=1, options=options)
        engines.update(full=name, engine=made)
    found: FullEngine = engines["engine"]
    return found


def asked(name: str, **changes: object) -> GenerationRequest:
    row = ROWS[name]
    fields = {
        "prompt": "a red fox",
        "seed": 3,
        "width": 128,
        "height": 64,
        "num_inference_steps": 4,
        "guidance_scale": row.guidance,
    }
    return GenerationRequest(**fields | changes)  # type: ignore[arg-type]


def drafts() -> tuple[Image.Image, Image.Image]:
    """Two that differ in one corner."""
    one = Image.linear_gradient("L").convert("RGB").resize((128, 64))
    other = one.copy()
    ImageDraw.Draw(other).rectangle((0, 0, 63, 31), fill=(250, 30, 30))
    return one, other


def inputs(family: Family, draft: Image.Image, **more: Any) -> InputPictures:
    control = {"control": draft, "control_kind": "edges"} if family.own_control else {}
    return InputPictures(init_image=draft, **{**control, **more})


def pixels(result: GenerationResult) -> NDArray[np.float64]:
    return np.asarray(decode(result.picture), dtype=np.float64)


@contextmanager
def calls_of(model: Any) -> Iterator[list[int]]:
    """Counts how often the denoiser is called."""
    counted: list[int] = []
    denoiser = getattr(model.pipeline, model.family.denoiser)
    hook = denoiser.register_forward_pre_hook(lambda *_: counted.append(1))
    try:
        yield counted
    finally:
        hook.remove()


def polish(
    engine: FullEngine, request: GenerationRequest, given: InputPictures
) -> tuple[GenerationResult, list[Progress]]:
    told: list[Progress] = []
    return engine.generate(request, given, told.append, lambda: False), told


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


def test_a_size_that_it_cannot_draw_is_told(folder: Path, engines: dict[str, Any]) -> None:
    lite = lite_of(folder, engines, "sd15")
    result = lite.generate(asked("sd15", width=200, height=136))
    assert (result.width, result.height) == decode(result.picture).size == (192, 128)
    assert "multiples of 16" in str(result.warnings)


def test_autoencoders_for_video_stay_as_they_are(folder: Path, engines: dict[str, Any]) -> None:
    lite = lite_of(folder, engines, "qwen-image")
    assert any(weights.ndim == 5 for weights in lite._model.pipeline.vae.parameters())
    assert isinstance(lite._model.pipeline.vae, torch.nn.Module)
    assert lite.generate(asked("qwen-image")).picture
