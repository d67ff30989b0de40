"""ControlNets: the map steers, kinds are told, and one of another family is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from underpaint.contract.errors import InvalidModel, InvalidRequest
from underpaint.contract.generation import GenerationRequest
from underpaint.engines.options import Options
from underpaint.engines.pipelines.model import Model, Pictures
from underpaint.engines.placement import Placement

from tests.tiny import extras, make

SIZE = (96, 64)
CPU = Placement(device="cpu", dtype="float32")
PAIRS = {  # of a ControlNet, its checkpoint and a kind of map that it reads
    "sd15-controlnet": ("sd15", "edges"),
    "sdxl-controlnet": ("sdxl", "edges"),
    "sdxl-controlnet-union": ("sdxl", "depth"),
    "sd3-controlnet": ("sd3", "edges"),
    "flux-controlnet": ("flux-dev", "edges"),
    "qwen-image-controlnet": ("qwen-image", "edges"),
    "z-image-controlnet": ("z-image", "edges"),
}
SLOPE = Image.linear_gradient("L").convert("RGB").resize(SIZE)


def asked(strength: float | None = None) -> GenerationRequest:
    return GenerationRequest(
        prompt="a red fox",
        seed=3,
        width=96,
        height=64,
        num_inference_steps=2,
        guidance_scale=3.0,
        strength=strength,
    )


@pytest.mark.parametrize("control", PAIRS)
def test_the_map_steers_drafts_and_polishes(tmp_path: Path, control: str) -> None:
    name, kind = PAIRS[control]
    directory = extras.make_controlnet(control, tmp_path / "control")
    options = Options(placement=CPU, control=directory)
    model = Model(str(make(name, tmp_path / name)), "text", options)
    assert f"control:{kind}" in model.describe("full").takes
    flipped = SLOPE.rotate(180)
    for start, strength in ((None, None), (SLOPE, 0.6)):
        one, other = (
            model.draw(
                asked(strength),
                SIZE,
                Pictures(init_image=start, control=each, control_kind=kind),
            ).picture
            for each in (SLOPE, flipped)
        )
        assert np.abs(np.asarray(one, float) - np.asarray(other, float)).mean() > 0.1
    with pytest.raises(InvalidRequest, match=r"reads .*, not smells"):
        model.draw(asked(), SIZE, Pictures(control=SLOPE, control_kind="smells"))
    assert model.draw(asked(), SIZE).picture.size == SIZE  # also without a map


def test_one_of_another_family_is_refused(tmp_path: Path) -> None:
    directory = extras.make_controlnet("sd15-controlnet", tmp_path / "control")
    flux = make("flux-dev", tmp_path / "flux-dev")
    options = Options(placement=CPU, control=directory)
    with pytest.raises(InvalidModel, match=r"is a ControlNetModel; for FLUX\.1 give a"):
        Model(str(flux), "text", options)
    (directory / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(InvalidModel, match=r"\.bin can run code"):
        Model(str(flux), "text", options)
