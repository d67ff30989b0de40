from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from underpaint.cloud.engine import Cancelled, FullEngine, exact_schedule
from underpaint.cloud.upscaler import LanczosUpscaler
from underpaint.contract.errors import EngineFailed, InvalidModel, InvalidRequest
from underpaint.contract.generation import GenerationRequest, GenerationResult, Progress
from underpaint.contract.pictures import decode
from underpaint.engines.checkpoints import check_directory, read_card

from tests.tiny.plain import save_coarse, save_flow, save_unet

DRAFT = Image.linear_gradient("L").convert("RGB")


@pytest.fixture(scope="module", params=[save_unet, save_flow, save_coarse])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FullEngine:
    save: Callable[[Path], Path] = request.param
    directory = save(tmp_path_factory.mktemp("models") / "tiny")
    check_directory(directory)
    return FullEngine(directory, read_card(directory), LanczosUpscaler(), device="cpu", threads=1)


def asked(**changes: object) -> GenerationRequest:
    fields = {
        "prompt": "a red fox",
        "negative_prompt": "a boat",
        "seed": 7,
        "width": 96,
        "height": 64,
        "num_inference_steps": 6,
        "guidance_scale": 2.5,
        "strength": 0.6,
    }
    return GenerationRequest(**fields | changes)  # type: ignore[arg-type]


def run(engine: FullEngine, request: GenerationRequest) -> tuple[GenerationResult, list[Progress]]:
    told: list[Progress] = []
    return engine.generate(request, DRAFT, told.append, lambda: False), told


def test_the_result_has_the_size_that_was_asked_for(engine: FullEngine) -> None:
    result, _ = run(engine, asked())
    assert decode(result.picture).size == (result.width, result.height) == (96, 64)
    assert result.model == "tiny"
    assert result.upscaler == "lanczos"
    assert result.gpu_seconds > 0


@pytest.mark.parametrize("strength", [0.05, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_as_many_steps_run_as_were_asked_for(
    engine: FullEngine, steps: int, strength: float
) -> None:
    _, told = run(engine, asked(num_inference_steps=steps, strength=strength))
    denoising = [progress.step for progress in told if progress.stage == "denoising"]
    assert denoising == list(range(1, steps + 1))


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_each_polish_shows_two_previews_or_more(engine: FullEngine, steps: int) -> None:
    _, told = run(engine, asked(num_inference_steps=steps))
    previews = [progress.preview for progress in told if progress.preview]
    assert len(previews) >= 2
    assert all(max(decode(preview).size) <= 192 for preview in previews)


def test_previews_come_close_to_the_result(engine: FullEngine) -> None:
    """The predicted clean picture of the last step is the picture itself."""
    _, told = run(engine, asked(num_inference_steps=1, strength=1.0))
    _, longer = run(engine, asked(num_inference_steps=8))
    assert told[-1].preview
    early, late = next(p.preview for p in longer if p.preview), longer[-1].preview
    assert early != late


def test_one_seed_gives_one_picture(engine: FullEngine) -> None:
    assert run(engine, asked())[0].picture == run(engine, asked())[0].picture
    assert run(engine, asked())[0].picture != run(engine, asked(seed=8))[0].picture


def test_cancelling_stops_between_two_steps(engine: FullEngine) -> None:
    told: list[Progress] = []
    with pytest.raises(Cancelled):
        engine.generate(asked(), DRAFT, told.append, lambda: len(told) == 2)
    assert len(told) == 2


def test_it_works_at_its_own_size_in_the_shape_asked_for(engine: FullEngine) -> None:
    assert engine.working_size(1024, 1024) == (32, 32)
    width, height = engine.working_size(1024, 256)
    assert width > height


def test_any_shape_is_drawn(engine: FullEngine) -> None:
    for width, height in ((1024, 400), (304, 1000), (640, 512)):
        result, _ = run(engine, asked(width=width, height=height))
        assert (result.width, result.height) == (width, height)


def test_a_request_without_a_strength_is_refused(engine: FullEngine) -> None:
    with pytest.raises(InvalidRequest, match="strength"):
        run(engine, asked(strength=None))


def test_what_breaks_inside_is_the_engines_failure(engine: FullEngine) -> None:
    class Broken(LanczosUpscaler):
        def enlarge(self, image: Image.Image, width: int, height: int) -> Image.Image:
            raise RuntimeError("out of memory\nand a long trace")

    whole, engine._upscaler = engine._upscaler, Broken()
    try:
        with pytest.raises(EngineFailed, match=r"^the pipeline failed: out of memory$"):
            run(engine, asked())
    finally:
        engine._upscaler = whole


def test_a_directory_that_is_no_pipeline_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "NoSuchPipeline"}')
    with pytest.raises(InvalidModel, match="does not load as an image-to-image pipeline"):
        FullEngine(tmp_path, read_card(tmp_path), LanczosUpscaler(), device="cpu", threads=1)


def test_both_ways_of_counting_steps_agree() -> None:
    for steps in range(1, 151):
        for percent in range(1, 101):
            requested, strength = exact_schedule(steps, percent / 100)
            assert int(requested * strength) == steps
            assert requested - int(max(requested - requested * strength, 0)) == steps
            assert abs(strength - percent / 100) <= 2 / requested
