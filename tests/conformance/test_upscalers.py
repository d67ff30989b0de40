"""Upscalers of the cloud: one joins by an entry in `UPSCALERS`."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from underpaint.cloud.upscaler import LanczosUpscaler, NcnnUpscaler, Upscaler

from tests.unit.cloud.drawings import drawing

UPSCALERS = {"lanczos": LanczosUpscaler, "ncnn": lambda: NcnnUpscaler(threads=1)}


@pytest.fixture(scope="module", params=UPSCALERS.values(), ids=UPSCALERS)
def upscaler(request: pytest.FixtureRequest) -> Upscaler:
    made: Upscaler = request.param()
    return made


@pytest.mark.parametrize("size", [(192, 192), (200, 136), (40, 48), (24, 400)])
def test_any_size_is_met_exactly(upscaler: Upscaler, size: tuple[int, int]) -> None:
    assert upscaler.enlarge(drawing(48, 48), *size).size == size
    assert LanczosUpscaler().enlarge(drawing(48, 48), *size).size == size


def test_the_picture_stays_the_picture(upscaler: Upscaler) -> None:
    small = drawing(64, 64)
    large = upscaler.enlarge(small, 256, 256)
    back = np.asarray(large.resize((64, 64), Image.Resampling.BOX), float)
    assert np.abs(back - np.asarray(small, float)).mean() < 4


def test_the_same_picture_comes_out_each_time(upscaler: Upscaler) -> None:
    pictures = {upscaler.enlarge(drawing(96, 96), 384, 384).tobytes() for _ in range(5)}
    assert len(pictures) == 1


def test_the_lineage_can_name_it(upscaler: Upscaler) -> None:
    assert upscaler.name == upscaler.name.strip() != ""
