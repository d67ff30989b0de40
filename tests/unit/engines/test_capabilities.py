"""Each cell of the table of families that says yes is tried with a tiny checkpoint.

Each that says no is refused, where there is something to refuse.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.auto_pipeline import AUTO_TEXT2IMAGE_PIPELINES_MAPPING
from PIL import Image
from underpaint.contract.errors import InvalidModel, InvalidRequest
from underpaint.contract.generation import GenerationRequest, LoraUse
from underpaint.engines.capabilities import (
    ABILITIES,
    NOT_YET,
    OTHERS,
    UNLOADABLE,
    UNTRIED,
    table,
)
from underpaint.engines.families import FAMILIES
from underpaint.engines.model_kinds import kind_of_pipeline
from underpaint.engines.pipelines.model import Model, Options, Pictures

from tests.tiny import MODELS
from tests.tiny.extras import make_controlnet, make_lora

# The checkpoint of tests/tiny that stands for a family, where it has another name.
NAMED = {
    "cogview3": "cogview3-plus",
    "fibo": "bria-fibo",
    "fibo2": "bria-fibo2",
    "flux": "flux-dev",
    "if": "deepfloyd-if",
    "longcat": "longcat-image",
    "longcat-edit": "longcat-image-edit",
    "nucleus": "nucleusmoe",
    "ovis": "ovis-image",
    "qwen-image-2.1": "qwen-image-21",
    "sd-inpaint": "sd15-inpaint",
    "sd1": "sd15",
    "sd2": "sd21",
}
CONTROLNETS = {
    "flux": "flux-controlnet",
    "hunyuan-dit": "hunyuan-dit-controlnet",
    "qwen-image": "qwen-image-controlnet",
    "sana": "sana-controlnet",
    "sd1": "sd15-controlnet",
    "sd2": "sd15-controlnet",
    "sd3": "sd3-controlnet",
    "sdxl": "sdxl-controlnet",
    "z-image": "z-image-controlnet",
}
FAMILY = {family.name: family for family in FAMILIES}
TRIED = [row for row in table() if row.family not in UNTRIED]
CELLS = [(row.family, name, cell.value) for row in TRIED for name, cell in row.cells.items()]
YES = [(family, name) for family, name, value in CELLS if value != "no" and name != "draft"]
NO = [
    (family, name)
    for family, name, value in CELLS
    if value == "no"
    and name in ("lite", "mask", "control", "lora")
    and (family, name) not in NOT_YET
]
SEEN = 0.3  # of 255: how much two pictures differ at least, on average, if something has an effect


class Stopped(BaseException):
    """What ends a generation, as in both tiers."""


class Tried:
    """A tiny checkpoint of a family, loaded in some ways."""

    def __init__(self, name: str, folder: Path, spare: Path) -> None:
        self.family = FAMILY[name]
        self.tiny = MODELS[NAMED.get(name, name)]
        self.folder = folder
        self.spare = spare
        self.load = cache(self._load)

    def _load(self, use: str, loras: tuple[str, ...] = (), control: Path | None = None) -> Model:
        return Model(str(self.folder), use, Options(loras=loras, control=control))

    @property
    def use(self) -> str:
        return "text" if self.family.text_to_image else "image"

    def size(self) -> tuple[int, int]:
        return self.load(self.use).nearest_size(self.tiny.width, self.tiny.height)

    def slope(self, turned: int = 0) -> Image.Image:
        return Image.linear_gradient("L").rotate(turned).convert("RGB").resize(self.size())

    def half(self, right: bool = False) -> Image.Image:
        width, height = self.size()
        mask = Image.new("L", (width, height))
        mask.paste(255, (width // 2, 0, width, height) if right else (0, 0, width // 2, height))
        return mask

    def draw(
        self,
        model: Model,
        *,
        start: int | None = None,
        on_step: Callable[[int, int, bytes], None] | None = None,
        previews_at: tuple[float, ...] = (),
        seed: int = 1,
        loras: tuple[LoraUse, ...] = (),
        **pictures: Any,
    ) -> Image.Image:
        """A picture of two steps; `start`: how its draft is turned, if it starts from one."""
        if start is None and self.use == "image":
            start = 0
        if self.family.own_control:
            pictures.setdefault("control", self.slope(90))
        request = GenerationRequest(
            prompt="a red fox",
            seed=seed,
            width=self.tiny.width,
            height=self.tiny.height,
            num_inference_steps=2,
            guidance_scale=4.0,
            strength=None if start is None else 0.8,
            loras=loras,
        )
        given = Pictures(init_image=None if start is None else self.slope(start), **pictures)
        return model.draw(request, self.size(), given, on_step, previews_at).picture


def lite(of: Tried) -> None:
    model = of.load("text")
    one, other = (of.draw(model, seed=seed) for seed in (1, 2))
    assert one.size == of.size()
    assert unlike(one, other) > SEEN


def full(of: Tried) -> None:
    model = of.load("image")
    one, other = (of.draw(model, start=turned) for turned in (0, 180))
    assert one.size == of.size()
    assert unlike(one, other) > SEEN


def mask(of: Tried) -> None:
    model = of.load("image")
    left, right = (of.draw(model, start=0, mask=of.half(right)) for right in (False, True))
    assert unlike(left, right) > SEEN


def control(of: Tried) -> None:
    net = None
    if not of.family.own_control:
        net = make_controlnet(CONTROLNETS[of.family.name], of.spare / "canny")
    for start in (None, 0) if of.use == "text" else (0,):
        model = of.load("text" if start is None else "image", control=net)
        one, other = (of.draw(model, start=start, control=of.slope(turn)) for turn in (0, 180))
        assert unlike(one, other) > SEEN


def lora(of: Tried) -> None:
    file = make_lora(of.tiny, of.spare / "fox.safetensors")
    model = of.load(of.use, loras=(str(file),))
    without = of.draw(model, loras=(LoraUse(name="fox", weight=0.0),))
    assert unlike(of.draw(model), without) > SEEN


def previews(of: Tried) -> None:
    shown: list[bytes] = []
    of.draw(
        of.load(of.use),
        on_step=lambda step, steps, preview: shown.append(preview),
        previews_at=(0.5, 1.0),
    )
    made = [Image.open(BytesIO(preview)) for preview in shown if preview]
    assert made
    wide, high = of.size()
    for picture in made:
        assert picture.width / picture.height == pytest.approx(wide / high, rel=0.05)
        assert np.asarray(picture, dtype=float).std() > 1


def cancel(of: Tried) -> None:
    steps: list[int] = []

    def stop(step: int, count: int, preview: bytes) -> None:
        steps.append(step)
        raise Stopped

    with pytest.raises(Stopped):
        of.draw(of.load(of.use), on_step=stop)
    assert steps == [1]


TRIALS: dict[str, Callable[[Tried], None]] = {
    "lite": lite,
    "full": full,
    "mask": mask,
    "control": control,
    "lora": lora,
    "previews": previews,
    "cancel": cancel,
}


def unlike(one: Image.Image, other: Image.Image) -> float:
    first, second = (np.asarray(each, dtype=float) for each in (one, other))
    return float(np.abs(first - second).mean())


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Models so small are drawn faster by one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tried(
    tiny_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Tried]:
    """The checkpoint of a family, for all of its cells; only the last one stays in memory."""
    last: dict[str, Tried] = {}

    def of(name: str) -> Tried:
        if name not in last:
            last.clear()
            spare = tmp_path_factory.mktemp("spare")
            last[name] = Tried(name, tiny_model(NAMED.get(name, name)), spare)
        return last[name]

    return of


@pytest.mark.parametrize(("family", "ability"), YES)
def test_what_the_table_says_of_a_family_is_so(
    family: str, ability: str, tried: Callable[[str], Tried]
) -> None:
    TRIALS[ability](tried(family))


@pytest.mark.parametrize(("family", "ability"), NO)
def test_what_a_family_cannot_do_is_refused(
    family: str, ability: str, tried: Callable[[str], Tried]
) -> None:
    with pytest.raises((InvalidModel, InvalidRequest)):
        refused(tried(family), ability)


def refused(of: Tried, ability: str) -> None:
    if ability == "lite":
        of.load("text")
    elif ability == "lora":
        of.load(of.use, loras=(str(make_lora(MODELS["sd15"], of.spare / "no.safetensors")),))
    else:
        given: dict[str, Any] = {ability: of.half() if ability == "mask" else of.slope()}
        of.draw(of.load(of.use), start=0, **given)


def test_only_families_without_a_checkpoint_are_said_to_be_untried() -> None:
    there = {name for name in FAMILY if NAMED.get(name, name) in MODELS}
    assert there == FAMILY.keys() - UNTRIED.keys() - UNLOADABLE.keys()


def test_every_ability_has_a_trial() -> None:
    # How a family takes the draft is a word about `full`, tried with it.
    assert ABILITIES.keys() == TRIALS.keys() | {"draft"}
    draft = {family: value for family, name, value in CELLS if name == "draft"}
    can = {family: value for family, name, value in CELLS if name == "full"}
    assert {family for family in draft if (draft[family] == "no") != (can[family] == "no")} == set()


def test_every_text_to_image_model_that_diffusers_maps_is_in_the_table_or_named_below() -> None:
    known = {name for family in FAMILIES for name in family.index} | OTHERS.keys()
    mapped = {made.__name__ for made in AUTO_TEXT2IMAGE_PIPELINES_MAPPING.values()}
    # Those with a ControlNet or another guidance are made of the parts of the others.
    parts = re.compile(r"ControlNet|ControlPipeline$|PAGPipeline$")
    whole = {name for name in mapped if not parts.search(name) and not kind_of_pipeline(name)}
    assert whole - known == set()
