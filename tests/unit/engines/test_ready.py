"""The families whose parts diffusers does not load by itself, or which see pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Qwen2VLProcessor, Qwen3VLProcessor
from underpaint.contract.generation import GenerationRequest
from underpaint.engines.families.family import Start
from underpaint.engines.pipelines import ready
from underpaint.engines.pipelines.model import Drawn, Model, Pictures
from underpaint.engines.pipelines.ready import ready_parts

from tests.tiny import MODELS
from tests.tiny.drawing import slope, unlike

Models = Callable[[str], Path]

# The others take as long as their makers' sizes make them.
DRAW = (
    "kolors",
    "prx",
    "prx-pixel",
    "stable-cascade",
    "wuerstchen",
    "nucleusmoe",
    "qwen-image-21",
    "longcat-image",
    "z-image-omni",
    "bria-fibo2",
    "dreamlite",
    "dreamlite-mobile",
    "glm-image",
)
FOLLOW = tuple(
    name for name in (*DRAW, "qwen-image-edit") if name not in ("prx-pixel", "wuerstchen")
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Models so small are drawn faster by one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def draw(model: Model, name: str, seed: int = 1, draft: Image.Image | None = None) -> Drawn:
    tiny = MODELS[name]
    strength = 0.6 if draft and model.family.start in (Start.OWN, Start.NOISED) else None
    request = GenerationRequest(
        prompt="a red fox",
        seed=seed,
        width=tiny.width,
        height=tiny.height,
        num_inference_steps=2,
        guidance_scale=model.called.guidance_scale,
        strength=strength,
    )
    return model.draw(request, (tiny.width, tiny.height), Pictures(init_image=draft))


def numbers(made: Drawn) -> np.ndarray:
    return np.asarray(made.picture, dtype=np.float64)


@pytest.mark.parametrize("name", DRAW)
def test_it_draws_from_words(name: str, tiny_model: Models) -> None:
    model = Model(str(tiny_model(name)), "text")
    made = draw(model, name)
    assert made.picture.size == (MODELS[name].width, MODELS[name].height)
    assert made.steps == 2
    assert unlike(numbers(made), numbers(draw(model, name, seed=2))) > 1


@pytest.mark.parametrize("name", FOLLOW)
def test_it_follows_the_draft(name: str, tiny_model: Models) -> None:
    model = Model(str(tiny_model(name)), "image")
    one, other = (draw(model, name, draft=slope(MODELS[name], turned)) for turned in (False, True))
    assert one.steps == 2
    assert unlike(numbers(one), numbers(other)) > 0.5


@pytest.mark.parametrize("kind", [Qwen2VLProcessor, Qwen3VLProcessor])
def test_a_processor_that_sees_videos_is_loaded_without_torchvision(
    kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ready, "has_torchvision", lambda: False)
    from tests.tiny.seeing import processor

    processor(kind).save_pretrained(tmp_path / "processor")
    index = {"_class_name": "Some", "processor": ["transformers", kind.__name__]}
    seen = ready_parts(tmp_path, index)["processor"](
        text=["<|vision_start|><|image_pad|><|vision_end|>a fox"],
        images=[Image.new("RGB", (64, 64))],
        return_tensors="pt",
    )
    cells = int(seen["image_grid_thw"].prod())
    assert seen["pixel_values"].shape[0] == cells
    assert int((seen["input_ids"] == 626).sum()) == cells // 4  # a token for four cells


def test_where_torchvision_is_the_processor_is_left_to_diffusers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ready, "has_torchvision", lambda: True)
    index = {"processor": ["transformers", "Qwen2VLProcessor"], "vae": ["diffusers", "Any"]}
    assert ready_parts(tmp_path, index) == {}


def test_a_checkpoint_as_it_is_shipped_names_the_old_home_of_a_class(tiny_model: Models) -> None:
    index = json.loads((tiny_model("stable-cascade") / "model_index.json").read_text())
    assert index["vqgan"] == ["wuerstchen", "PaellaVQModel"]


@pytest.mark.parametrize("library", ["nowhere", "../deprecated", "", "os"])
def test_no_other_modules_are_imported_for_a_checkpoint(library: str, tmp_path: Path) -> None:
    assert ready_parts(tmp_path, {"part": [library, "Class"], "none": [None, None]}) == {}
    assert not hasattr(ready.pipelines, library or "nothing")
