"""Both engines with tiny models, called in the same way.

UNDERPAINT_TEST_DEVICE names another device than "cuda", to try the tests themselves.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from underpaint.cloud.engine import FullEngine
from underpaint.cloud.upscaler import LanczosUpscaler
from underpaint.contract.generation import GenerationRequest
from underpaint.contract.inputs import InputPictures
from underpaint.contract.pictures import decode
from underpaint.edge.engine import LiteEngine
from underpaint.engines.pipelines.model import Options
from underpaint.engines.placement import Placement

DEVICE = os.environ.get("UNDERPAINT_TEST_DEVICE", "cuda")
Drawing = NDArray[np.float64]
FOX = GenerationRequest(
    prompt="a red fox", seed=3, width=128, height=64, num_inference_steps=3, guidance_scale=1.0
)


class Tier:
    """One of the two engines with a tiny model, called in the same way."""

    def __init__(self, tier: str, folder: Path, **placement: Any) -> None:
        chosen = Placement(**{"device": DEVICE, "dtype": "float32", **placement})
        self.engine: Any
        if tier == "lite":
            self.engine = LiteEngine(str(folder), options=Options(placement=chosen), threads=1)
        else:
            self.engine = FullEngine(
                str(folder), LanczosUpscaler(), threads=1, options=Options(placement=chosen)
            )
        self.tier = tier

    @property
    def denoiser(self) -> Any:
        model = self.engine._model
        return getattr(model.pipeline, model.family.denoiser)

    def draw(
        self, request: GenerationRequest = FOX, after_step: Callable[[], None] = lambda: None
    ) -> Drawing:
        if self.tier == "lite":
            result = self.engine.generate(request, lambda *_: after_step())
        else:
            draft = Image.linear_gradient("L").convert("RGB").resize((128, 64))
            result = self.engine.generate(
                replace(request, strength=0.6),
                InputPictures(init_image=draft),
                lambda _: after_step(),
                lambda: False,
            )
        picture = decode(result.picture)
        assert picture.size == (request.width, request.height)
        return np.asarray(picture, dtype=np.float64)
