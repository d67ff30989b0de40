"""What the full engine makes of drafts of other shapes, long prompts, and numbers that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor
from underpaint.cloud.engine import FullEngine
from underpaint.cloud.upscaler import LanczosUpscaler
from underpaint.contract.errors import InvalidRequest, ResultFlagged, ResultUnusable
from underpaint.contract.generation import Fit, Progress
from underpaint.contract.pictures import decode
from underpaint.engines.checkpoints import read_card

from tests.tiny.plain import save_flow, save_unet
from tests.unit.cloud.test_engine import DRAFT, asked, run


@pytest.fixture(scope="module", params=[save_unet, save_flow])
def directory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    saved: Path = request.param(tmp_path_factory.mktemp("models") / "tiny")
    return saved


@pytest.fixture
def engine(directory: Path) -> FullEngine:
    return load(directory)


def load(directory: Path) -> FullEngine:
    return FullEngine(directory, read_card(directory), LanczosUpscaler(), device="cpu", threads=1)


def denoiser(engine: FullEngine) -> Any:
    return getattr(engine._pipeline, "transformer", None) or engine._pipeline.unet


def spoil(module: torch.nn.Module, value: float) -> None:
    """Broken weights, as a float16 overflow leaves them."""
    with torch.no_grad():
        next(module.parameters()).fill_(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_decoder_that_comes_to_no_numbers_has_failed(engine: FullEngine, value: float) -> None:
    """It was a black picture, a success and a bill."""
    spoil(engine._pipeline.vae.decoder, value)
    with pytest.raises(ResultUnusable, match="the model tiny computed NaN or infinite numbers"):
        run(engine, asked())


def test_a_denoiser_that_comes_to_no_numbers_stops_at_once(engine: FullEngine) -> None:
    spoil(denoiser(engine), float("nan"))
    told: list[Progress] = []
    with pytest.raises(ResultUnusable, match="the model tiny computed NaN"):
        engine.generate(asked(num_inference_steps=20), DRAFT, told.append, lambda: False)
    assert told == []


def test_a_preview_that_cannot_be_drawn_does_not_end_a_sound_polish(engine: FullEngine) -> None:
    whole = engine._pipeline.vae.decoder.forward
    answers = iter([float("nan")])

    def forward(*given: Any, **named: Any) -> Any:
        return whole(*given, **named) + next(answers, 0.0)  # the first preview only

    engine._pipeline.vae.decoder.forward = forward
    result, told = run(engine, asked())
    assert result.picture
    previews = [progress for progress in told if progress.preview]
    assert len(previews) == 3  # that of noise would be black
    assert next(answers, None) is None


def test_a_picture_of_one_colour_is_no_result(engine: FullEngine) -> None:
    for parameter in engine._pipeline.vae.decoder.parameters():
        parameter.data.zero_()
    with pytest.raises(ResultUnusable, match="the model tiny made a picture of one colour only"):
        run(engine, asked())


def test_an_upscaler_that_loses_the_picture_has_failed(engine: FullEngine) -> None:
    class Black(LanczosUpscaler):
        name = "dark"

        def enlarge(self, image: Image.Image, width: int, height: int) -> Image.Image:
            return Image.new("RGB", (width, height))

    engine._upscaler = Black()
    with pytest.raises(ResultUnusable, match="the upscaler dark made a picture of one colour only"):
        run(engine, asked())


def test_what_a_safety_checker_blanks_is_no_result(tmp_path: Path) -> None:
    engine = load(save_unet(tmp_path / "tiny"))
    sizes: dict[str, Any] = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 1}
    vision = {**sizes, "num_hidden_layers": 1, "image_size": 32, "patch_size": 16}
    checker = StableDiffusionSafetyChecker(
        CLIPConfig(text_config=dict(sizes), vision_config=vision, projection_dim=8)
    )
    checker.concept_embeds_weights.data.fill_(-9.0)  # everything is above the threshold
    engine._pipeline.safety_checker = checker
    engine._pipeline.feature_extractor = CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    with pytest.raises(ResultFlagged, match="the safety checker of the model tiny flagged"):
        run(engine, asked())


def test_a_huge_schedule_is_refused_before_it_is_made(engine: FullEngine) -> None:
    for strength in (1e-7, 0.01):
        with pytest.raises(InvalidRequest, match="strength"):
            run(engine, asked(num_inference_steps=28, strength=strength))


def wide() -> Image.Image:
    """2:1, white in the middle square, black left and right of it."""
    image = Image.new("RGB", (192, 96))
    image.paste((255, 255, 255), (48, 0, 144, 96))
    return image


@pytest.fixture
def seen(engine: FullEngine) -> list[Image.Image]:
    """What the pipeline is given to start from."""
    given: list[Image.Image] = []
    processor = engine._pipeline.image_processor
    whole = processor.preprocess

    def preprocess(image: Any, *more: Any, **named: Any) -> Any:
        given.append(image)
        return whole(image, *more, **named)

    processor.preprocess = preprocess
    return given


@pytest.mark.parametrize(("fit", "lightest", "darkest"), [(Fit.CROP, 255, 200), (Fit.PAD, 255, 0)])
def test_a_draft_of_another_shape_is_not_squashed(
    engine: FullEngine, seen: list[Image.Image], fit: Fit, lightest: int, darkest: int
) -> None:
    engine.generate(asked(width=96, height=96, fit=fit), wide(), lambda _: None, lambda: False)
    (start,) = seen
    assert start.size == engine.working_size(96, 96)
    levels = sorted(start.convert("L").tobytes())
    assert levels[-1] == lightest
    assert levels[0] >= darkest if fit is Fit.CROP else levels[0] == darkest


def test_a_draft_of_another_shape_can_be_refused(engine: FullEngine) -> None:
    square = asked(width=96, height=96, fit=Fit.REFUSE)
    with pytest.raises(InvalidRequest, match=r"the draft is 2:1 \(192 x 96\), the result 1:1"):
        engine.generate(square, wide(), lambda _: None, lambda: False)
    assert engine.generate(
        asked(width=192, height=96, fit=Fit.REFUSE), wide(), lambda _: None, lambda: False
    )


LONG = " ".join(["a red fox"] * 5)  # 15 words; 14 are read beside the two tokens around them


def test_words_that_are_not_read_are_told(engine: FullEngine) -> None:
    """Two prompts, one picture, and no word about it."""
    one, other = (run(engine, asked(prompt=f"{LONG} {word}"))[0] for word in ("fox", "boat"))
    assert one.picture == other.picture
    assert other.warnings == (
        "the prompt is too long for the model tiny: of 16 words it read the first 14; "
        "not read: 'fox boat'",
    )
    assert run(engine, asked())[0].warnings == ()
    (told,) = run(engine, asked(negative_prompt=LONG))[0].warnings
    assert told.startswith("the negative prompt is too long")


def test_what_nobody_sees_changes_nothing(engine: FullEngine) -> None:
    plain = run(engine, asked(prompt="a red fox", negative_prompt="a boat"))[0]
    hidden = run(engine, asked(prompt="a r\u200bed fox\u2060", negative_prompt="a bo\u00adat"))[0]
    assert plain.picture == hidden.picture
    assert decode(plain.picture).size == (96, 64)
