"""Measures where the time of one promotion goes in the engine: python -m benchmarks.cloud

The bare engine in this process, from a draft to 1024 x 1024. The parts are timed from outside,
around the calls the engine makes; what is left over, text and draft encoding included, is the
denoising's. Medians over the rounds, after one that warms up.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the replicas have it; read by torch

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from PIL import Image
from underpaint.cloud import engine as engine_module
from underpaint.cloud.engine import FullEngine
from underpaint.cloud.preview import Previewer
from underpaint.cloud.settings import BUNDLED
from underpaint.cloud.upscaler import load_upscaler
from underpaint.contract.generation import GenerationRequest
from underpaint.contract.inputs import InputPictures
from underpaint.engines.checkpoints import check_directory, read_card

PROMPT = "a 3d cat on a blue background"
PARTS = ("load", "denoise", "previews", "decode", "upscale", "encode", "polish")


class Clock:
    """Seconds by part in the current round; time inside a nested part counts for the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._busy = False

    def around(self, owner: Any, name: str, part: str) -> None:
        """Times every call of one attribute, for good."""
        call: Callable[..., Any] = getattr(owner, name)

        @wraps(call)
        def timed(*arguments: Any, **named: Any) -> Any:
            if self._busy:  # such as the decoding of a preview
                return call(*arguments, **named)
            self._busy = True
            began = time.perf_counter()
            try:
                return call(*arguments, **named)
            finally:
                self.seconds[part] += time.perf_counter() - began
                self._busy = False

        setattr(owner, name, timed)


def measure(model: Path, rounds: int, threads: int) -> dict[str, float]:
    """Median seconds by part."""
    clock = Clock()
    began = time.perf_counter()
    check_directory(model)
    upscaler = load_upscaler("auto", threads)
    engine = FullEngine(model, read_card(model), upscaler, device="cpu", threads=threads)
    load = time.perf_counter() - began
    clock.around(upscaler, "enlarge", "upscale")
    clock.around(Previewer, "follow", "previews")
    clock.around(engine_module, "encode_png", "encode")
    clock.around(engine._pipeline.vae, "decode", "decode")
    request = GenerationRequest(
        prompt=PROMPT,
        seed=7,
        width=1024,
        height=1024,
        num_inference_steps=engine.card.num_inference_steps or 28,
        guidance_scale=engine.card.guidance_scale or 2.5,
        strength=engine.card.strength or 0.6,
    )
    draft = Image.linear_gradient("L").convert("RGB")
    taken: list[dict[str, float]] = []
    for _ in range(rounds + 1):
        clock.seconds.clear()
        began = time.perf_counter()
        engine.generate(request, InputPictures(init_image=draft), lambda _: None, lambda: False)
        seconds = dict(clock.seconds)
        seconds["polish"] = time.perf_counter() - began
        named = sum(seconds[part] for part in ("previews", "decode", "upscale", "encode"))
        seconds["denoise"] = seconds["polish"] - named
        taken.append(seconds)
    medians = {part: statistics.median(one[part] for one in taken[1:]) for part in PARTS[1:]}
    return {"load": load, **medians}


def main() -> None:
    """Prints a table and writes bench-out/cloud.json."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--model", type=Path, default=BUNDLED)
    flags.add_argument("--rounds", type=int, default=5)
    flags.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    flags.add_argument("--out", type=Path, default=Path("bench-out"))
    given = flags.parse_args()
    seconds = measure(given.model, given.rounds, given.threads)
    print(f"{'part':<10}{'ms':>8}{'of a polish':>14}")
    for part in PARTS:
        share = "" if part == "load" else f"{seconds[part] / seconds['polish']:.1%}"
        print(f"{part:<10}{seconds[part] * 1000:>8.0f}{share:>14}")
    given.out.mkdir(parents=True, exist_ok=True)
    report = {"rounds": given.rounds, "threads": given.threads, "seconds": seconds}
    (given.out / "cloud.json").write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
