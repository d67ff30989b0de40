"""The table of families: what is expected of a tiny checkpoint of each, and engines with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from underpaint.cloud.engine import FullEngine
from underpaint.cloud.upscaler import LanczosUpscaler
from underpaint.contract.generation import GenerationRequest, GenerationResult, Progress
from underpaint.contract.inputs import InputPictures
from underpaint.contract.pictures import decode
from underpaint.edge.engine import LiteEngine
from underpaint.engines.families import FAMILIES
from underpaint.engines.families.family import Family, Start
from underpaint.engines.options import Options
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
