"""How good the pictures are, measured, and sheets of them to look at.

    python -m training.judge        judge the shipped directories, write metrics and sheets

In a closed world every prompt has its true pictures. A made picture counts as right when the
nearest true picture of the whole world, seen small, is of the thing (style, background) that was
asked for.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoPipelineForImage2Image, AutoPipelineForText2Image
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional

from training.data import backdrops, compose, load_pictures
from training.export import FULL, LITE
from training.vocabulary import Vocabulary, load_vocabulary, plain_caption

SHEETS = Path(__file__).with_name("sheets")
SEEN = 32
"""Pixels along the side at which pictures are compared."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Indices into the vocabulary of what a prompt asks for."""

    thing: int
    style: int
    background: int

    def prompt(self, vocabulary: Vocabulary) -> str:
        """The prompt in its plainest form."""
        return plain_caption(
            vocabulary.things[self.thing].word,
            vocabulary.styles[self.style].word,
            vocabulary.backgrounds[self.background].word,
        )


def true_pictures(vocabulary: Vocabulary) -> Tensor:
    """The whole world, small: (things, styles, backgrounds, 2 flips, 3·SEEN²) in -1..1."""
    pictures, lights = load_pictures(vocabulary), backdrops(vocabulary)
    rows = []
    for thing in pictures.rgba:
        true = torch.cat([compose(cut.expand(len(lights), -1, -1, -1), lights) for cut in thing])
        true = functional.adaptive_avg_pool2d(true, SEEN)
        true = torch.stack([true, true.flip(-1)], dim=1)
        rows.append(true.flatten(2).unflatten(0, (len(thing), len(lights))))
    return torch.stack(rows)


def small(picture: Image.Image) -> Tensor:
    """A picture as `true_pictures` has them: (3·SEEN²) in -1..1."""
    pixels = torch.from_numpy(np.asarray(picture.convert("RGB"), dtype=np.float32))
    return functional.adaptive_avg_pool2d(pixels.permute(2, 0, 1) / 127.5 - 1, SEEN).flatten()


def judge(
    made: Sequence[Image.Image], asked: Sequence[Asked], truth: Tensor
) -> tuple[dict[str, float], list[bool]]:
    """Shares of right thing, style and background, mean distance, and which things are right."""
    shape = truth.shape[:4]
    distances = torch.cdist(torch.stack([small(picture) for picture in made]), truth.flatten(0, 3))
    found = [np.unravel_index(int(i), shape) for i in distances.argmin(dim=1)]
    right = [where[0] == want.thing for where, want in zip(found, asked, strict=True)]
    own = [
        distances[i].unflatten(0, shape)[want.thing, want.style, want.background].min().item()
        for i, want in enumerate(asked)
    ]
    count = len(asked)
    metrics = {
        "thing": sum(right) / count,
        "style": sum(f[1] == a.style for f, a in zip(found, asked, strict=True)) / count,
        "background": sum(f[2] == a.background for f, a in zip(found, asked, strict=True)) / count,
        "error": sum(own) / count / math.sqrt(truth.shape[-1]),
    }
    return {name: round(float(value), 4) for name, value in metrics.items()}, right


def ask(vocabulary: Vocabulary, count: int, seed: int = 9) -> list[Asked]:
    """Fixed prompts that go evenly through the things."""
    rng = random.Random(seed)
    things = list(range(len(vocabulary.things)))
    rng.shuffle(things)
    styles, backgrounds = len(vocabulary.styles), len(vocabulary.backgrounds)
    return [
        Asked(things[i % len(things)], rng.randrange(styles), rng.randrange(backgrounds))
        for i in range(count)
    ]


def load(auto: Any, folder: Path) -> tuple[Any, dict[str, Any]]:
    """A shipped pipeline and its settings."""
    pipeline = auto.from_pretrained(folder, use_safetensors=True, dtype=torch.bfloat16)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline, json.loads((folder / "underpaint.json").read_text())


def draft(
    pipeline: Any, settings: dict[str, Any], prompt: str, seed: int, **changed: Any
) -> Image.Image:
    """One picture by Lite."""
    call = {
        "num_inference_steps": settings["num_inference_steps"],
        "guidance_scale": settings["guidance_scale"],
        **settings["call"],
        **changed,
    }
    image: Image.Image = pipeline(
        prompt, generator=torch.Generator().manual_seed(seed), **call
    ).images[0]
    return image


def polish(
    pipeline: Any,
    settings: dict[str, Any],
    prompt: str,
    start: Image.Image,
    seed: int,
    **changed: Any,
) -> Image.Image:
    """One picture by Full from a draft, with as many effective steps as the settings say."""
    size = settings["native_size"]
    call = {
        "guidance_scale": settings["guidance_scale"],
        "strength": settings["strength"],
        **settings["call"],
        **changed,
    }
    steps = math.ceil(settings["num_inference_steps"] / call["strength"])
    image = start.resize((size, size), Image.Resampling.BICUBIC)
    finished: Image.Image = pipeline(
        prompt,
        image=image,
        height=size,
        width=size,
        num_inference_steps=steps,
        generator=torch.Generator().manual_seed(seed),
        **call,
    ).images[0]
    return finished


def sheet(rows: Sequence[Sequence[Image.Image]], labels: Sequence[str], side: int) -> Image.Image:
    """Rows of pictures; the labels stand under the columns."""
    columns, strip = len(rows[0]), 14
    page = Image.new("RGB", (columns * side, len(rows) * side + strip), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            page.paste(picture.resize((side, side), Image.Resampling.BICUBIC), (x * side, y * side))
    pen = ImageDraw.Draw(page)
    for x, label in enumerate(labels):
        pen.text((x * side + 3, len(rows) * side + 1), label[: side // 6], fill="black")
    return page


def gallery(pictures: Sequence[tuple[str, Image.Image]], columns: int, side: int) -> Image.Image:
    """Labelled pictures in reading order."""
    lines = [pictures[i : i + columns] for i in range(0, len(pictures), columns)]
    strips = [sheet([[p for _, p in line]], [name for name, _ in line], side) for line in lines]
    page = Image.new("RGB", (columns * side, sum(strip.height for strip in strips)), "white")
    top = 0
    for strip in strips:
        page.paste(strip, (0, top))
        top += strip.height
    return page


def save_small(page: Image.Image, path: Path) -> None:
    """As PNG of 256 colours, small enough to keep in the repository."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)


def main() -> None:
    """Judge Lite by itself and Full from Lite's drafts."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--drafts", type=int, default=480)
    parser.add_argument("--polishes", type=int, default=48)
    given = parser.parse_args()
    vocabulary = load_vocabulary()
    truth = true_pictures(vocabulary)
    lite, lite_settings = load(AutoPipelineForText2Image, LITE)
    full, full_settings = load(AutoPipelineForImage2Image, FULL)
    asked = ask(vocabulary, given.drafts)
    draft(lite, lite_settings, "a cat", 0)
    started = time.perf_counter()
    drafts = [
        draft(lite, lite_settings, want.prompt(vocabulary), i) for i, want in enumerate(asked)
    ]
    draft_ms = 1000 * (time.perf_counter() - started) / len(drafts)
    lite_metrics, right = judge(drafts, asked, truth)
    chosen = range(min(given.polishes, len(asked)))
    started = time.perf_counter()
    polished = [
        polish(full, full_settings, asked[i].prompt(vocabulary), drafts[i], i) for i in chosen
    ]
    polish_ms = 1000 * (time.perf_counter() - started) / len(polished)
    before, _ = judge(drafts[: len(polished)], asked[: len(polished)], truth)
    after, _ = judge(polished, asked[: len(polished)], truth)
    metrics = {
        "lite": {"pictures": len(drafts), **lite_metrics, "ms": round(draft_ms, 1)},
        "lite, the drafts that were polished": {"pictures": len(polished), **before},
        "full from drafts": {"pictures": len(polished), **after, "ms": round(polish_ms, 1)},
        "polish / draft": round(polish_ms / draft_ms, 1),
    }
    SHEETS.mkdir(exist_ok=True)
    (SHEETS / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    words = [vocabulary.things[want.thing].word for want in asked]
    save_small(
        gallery(list(zip(words[:60], drafts[:60], strict=True)), 12, 96), SHEETS / "lite.png"
    )
    save_small(sheet([drafts[:8], polished[:8]], words[:8], 160), SHEETS / "full-from-lite.png")
    wrong = [(words[i], drafts[i]) for i in range(len(asked)) if not right[i]][:24]
    if wrong:
        save_small(gallery(wrong, 12, 96), SHEETS / "lite-failures.png")
    print(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    main()
