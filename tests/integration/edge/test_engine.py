import dataclasses
import shutil
from pathlib import Path
from typing import Any

import diffusers
import pytest
from underpaint.contract.errors import EngineFailed, InvalidModel, InvalidRequest, ResultUnusable
from underpaint.contract.generation import GenerationRequest
from underpaint.contract.pictures import decode
from underpaint.edge.draft_queue import Stopped
from underpaint.edge.engine import LiteEngine
from underpaint.edge.settings import BUNDLED
from underpaint.engines.options import Options
from underpaint.engines.placement import Placement

CAT = GenerationRequest(
    prompt="a cat", seed=3, width=64, height=64, num_inference_steps=3, guidance_scale=1.0
)


@pytest.fixture(scope="module")
def engine(sd: Path) -> LiteEngine:
    return LiteEngine(
        str(sd), options=Options(placement=Placement(device="cpu", dtype="float32")), threads=1
    )


def test_a_stable_diffusion_directory_draws_what_was_asked(engine: LiteEngine) -> None:
    result = engine.generate(dataclasses.replace(CAT, width=128))
    assert decode(result.picture).size == (result.width, result.height) == (128, 64)
    assert result.model == engine.name == "tiny"
    assert result.gpu_seconds > 0


def test_a_stable_diffusion_xl_directory_without_a_card_draws_too(sdxl: Path) -> None:
    engine = LiteEngine(
        str(sdxl), options=Options(placement=Placement(device="cpu", dtype="bfloat16")), threads=1
    )
    assert engine.name == "tiny-sdxl"
    assert engine.defaults.width == engine.defaults.height == 64
    assert engine.defaults.num_inference_steps == 50
    assert engine.defaults.guidance_scale == 5.0
    guided = dataclasses.replace(CAT, guidance_scale=4.0, negative_prompt="a dog")
    assert decode(engine.generate(guided).picture).size == (64, 64)


def test_the_card_says_how_the_model_likes_to_be_called(engine: LiteEngine) -> None:
    assert engine.defaults.num_inference_steps == 3
    assert engine.defaults.guidance_scale == 1.0
    assert engine.warnings("a cat") == ()
    assert engine.warnings("a bridge") != ()


def test_the_same_request_draws_the_same_picture_and_another_seed_another(
    engine: LiteEngine,
) -> None:
    first, again = engine.generate(CAT), engine.generate(CAT)
    other = engine.generate(dataclasses.replace(CAT, seed=4))
    assert first.picture == again.picture != other.picture


def test_a_prompt_is_encoded_once_for_all_its_drafts(
    engine: LiteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = engine._model.pipeline.text_encoder
    calls = []
    hook = encoder.register_forward_pre_hook(lambda *_: calls.append(1))
    for seed in range(3):
        engine.generate(dataclasses.replace(CAT, prompt="blue cat", seed=seed))
    assert len(calls) == 1
    with_other = engine.generate(dataclasses.replace(CAT, prompt="blue dog"))
    assert len(calls) == 2
    with_own = engine.generate(dataclasses.replace(CAT, prompt="blue cat"))
    assert with_own.picture != with_other.picture
    hook.remove()


def test_each_step_is_told_and_what_is_raised_there_ends_the_drawing(engine: LiteEngine) -> None:
    seen = []
    engine.generate(CAT, lambda step, steps: seen.append((step, steps)))
    assert seen == [(1, 3), (2, 3), (3, 3)]

    def stop(step: int, _steps: int) -> None:
        seen.append((step, 0))
        raise Stopped

    with pytest.raises(Stopped):
        engine.generate(CAT, stop)
    assert seen[3:] == [(1, 0)]


def fresh(sd: Path) -> LiteEngine:
    """One that may be broken."""
    return LiteEngine(
        str(sd), options=Options(placement=Placement(device="cpu", dtype="float32")), threads=1
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_decoder_that_comes_to_no_numbers_has_failed(sd: Path, value: float) -> None:
    broken = fresh(sd)
    next(broken._model.pipeline.vae.decoder.parameters()).data.fill_(value)
    with pytest.raises(ResultUnusable, match="the model tiny computed NaN or infinite numbers"):
        broken.generate(CAT)


def test_a_picture_of_one_colour_is_no_result(sd: Path) -> None:
    broken = fresh(sd)
    for parameter in broken._model.pipeline.vae.decoder.parameters():
        parameter.data.zero_()
    with pytest.raises(ResultUnusable, match="the model tiny made a picture of one colour only"):
        broken.generate(CAT)


def test_a_model_that_cannot_draw_in_two_steps_is_loaded_all_the_same(
    sd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    black = diffusers.AutoencoderKL.decode

    def decode(self: Any, latents: Any, *given: Any, **named: Any) -> Any:
        return black(self, latents * float("nan"), *given, **named)

    with monkeypatch.context() as warming:
        warming.setattr(diffusers.AutoencoderKL, "decode", decode)
        loaded = fresh(sd)
    with pytest.raises(ResultUnusable, match="NaN"):
        loaded.generate(CAT)


def test_words_that_are_not_read_are_told(sd: Path, sdxl: Path) -> None:
    """Two prompts, one picture, and no word about it: the tokenizers keep six words."""
    for model in (sd, sdxl):
        engine = fresh(model)
        one, other = (
            engine.generate(dataclasses.replace(CAT, prompt=f"a blue cat a blue dog a {thing}"))
            for thing in ("cat", "dog")
        )
        assert one.picture == other.picture
        (told,) = other.warnings
        assert told.endswith("of 8 words it read the first 6; not read: 'a dog'")
        assert engine.generate(CAT).warnings == ()


def test_words_the_bundled_model_does_not_read_are_told() -> None:
    engine = LiteEngine(
        str(BUNDLED), options=Options(placement=Placement(device="cpu", dtype="float32")), threads=1
    )
    own = engine.defaults
    request = dataclasses.replace(CAT, width=own.width, height=own.height)
    things = "a fox at the left and a cat at the right"
    assert engine.generate(dataclasses.replace(request, prompt=things)).warnings == ()
    one, other = (
        engine.generate(dataclasses.replace(request, prompt=f"{things} and a red dog and a {last}"))
        for last in ("car", "tree")
    )
    assert one.picture == other.picture
    (told,) = other.warnings
    assert told.endswith("it read the first 14; not read: 'dog and a tree'")


def test_what_nobody_sees_changes_nothing(engine: LiteEngine) -> None:
    hidden = dataclasses.replace(CAT, prompt="a c\u200bat\u2060")
    assert engine.generate(hidden).picture == engine.generate(CAT).picture
    assert engine.warnings(hidden.prompt) == ()


def test_a_strength_is_refused(engine: LiteEngine) -> None:
    with pytest.raises(InvalidRequest, match="strength"):
        engine.generate(dataclasses.replace(CAT, strength=0.5))


def test_what_breaks_inside_the_pipeline_is_one_line(
    engine: LiteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr(engine._model.pipeline.unet, "forward", broken)
    with pytest.raises(EngineFailed, match="failed: first second"):
        engine.generate(CAT)


def test_a_directory_that_is_no_pipeline_of_pictures_is_refused(sd: Path, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    shutil.copytree(sd, folder)
    index = folder / "model_index.json"
    index.write_text(index.read_text().replace("StableDiffusionPipeline", "DDPMPipeline"))
    with pytest.raises(InvalidModel, match="is a model that draws without a prompt") as refused:
        LiteEngine(str(folder), threads=1)
    assert "\n" not in str(refused.value)


def test_a_pickle_is_refused_before_anything_is_loaded(sd: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(sd, folder)
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(InvalidModel, match=r"diffusion_pytorch_model\.bin"):
        LiteEngine(str(folder), threads=1)
