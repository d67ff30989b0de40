"""What the judge learns from: true renders, and the ways in which made pictures differ from them.

A generator's pictures come out of an autoencoder: softer, a little off in colour, with slight
ringing. A judge that had seen nothing but crisp renders would hold that against the thing.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from training.data import CACHE, Pictures, backdrops, load_pictures
from training.judge.network import SIDE, look, to_tensor
from training.latents import make_scenes
from training.scene import Scene, held_out, pair, render, single
from training.vocabulary import Vocabulary

SEED = 7171
"""Of the scenes; the generators' are drawn with others."""
PLACEMENTS = 4
JPEG_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Lessons:
    """Pictures with their answers.

    `pictures`: uint8 (n, 3, SIDE, SIDE). `answers`: int64 (n, 3), one column a head.
    """

    pictures: Tensor
    answers: Tensor


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture to render: a whole scene, or one half of a pair."""

    scene: Scene
    side: int
    half: int | None = None
    jpeg: int | None = None

    @property
    def answers(self) -> tuple[int, int, int]:
        """What there is to see."""
        placed = self.scene.placed[self.half or 0]
        return placed.thing, self.scene.style, self.scene.background


def halves(pictures: Tensor) -> Tensor:
    """Where the left and the right thing of a pair stand: 2 × n × 3 × side/2 × side/2.

    The middle half of the height: things of a pair span half of the canvas at most.
    """
    side = pictures.shape[-1]
    middle = pictures[..., side // 4 : side // 4 + side // 2, :]
    return torch.stack([middle[..., : side // 2], middle[..., side // 2 :]])


class Renders(Dataset[Tensor]):
    """Pictures rendered as they are asked for: uint8 3 × SIDE × SIDE."""

    def __init__(self, pictures: Pictures, lights: Tensor, shown: list[Shown]) -> None:
        self.pictures, self.lights, self.shown = pictures, lights, shown

    def __len__(self) -> int:
        return len(self.shown)

    def __getitem__(self, index: int) -> Tensor:
        one = self.shown[index]
        light = self.lights[one.scene.ground]
        made = render(self.pictures, light, one.scene, one.side)[None]
        if one.half is not None:
            made = halves(made)[one.half]
        if one.jpeg is not None:
            made = _through_jpeg(made, one.jpeg)
        return _to_bytes(look(made)[0])


def _to_bytes(picture: Tensor) -> Tensor:
    return ((picture + 1) * 127.5).round().clamp(0, 255).byte()


def _through_jpeg(picture: Tensor, quality: int) -> Tensor:
    pixels = _to_bytes(picture[0]).permute(1, 2, 0).numpy()
    stored = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stored, "JPEG", quality=quality)
    return to_tensor(Image.open(stored))


def to_learn(vocabulary: Vocabulary) -> list[Shown]:
    """Every combination that is not held out in several placements, and halves of pairs."""
    rng = random.Random(SEED)
    return [
        Shown(
            scene,
            256 if len(scene.placed) == 2 or rng.random() < 0.15 else 128,
            rng.randrange(2) if len(scene.placed) == 2 else None,
            rng.randint(30, 90) if rng.random() < JPEG_SHARE else None,
        )
        for scene in make_scenes(vocabulary, PLACEMENTS, SEED)
    ]


def to_check(vocabulary: Vocabulary) -> dict[str, list[Shown]]:
    """Renders that no lesson showed: combinations kept from training, placements, pairs.

    Of a pair both halves follow each other.
    """
    rng = random.Random(SEED + 1)
    things, styles = range(len(vocabulary.things)), range(len(vocabulary.styles))
    backgrounds = range(len(vocabulary.backgrounds))
    unseen: list[Shown] = []
    seen: list[Shown] = []
    for thing in things:
        for style in styles:
            for background in backgrounds:
                scene = single(vocabulary, thing, style, background, rng)
                kept = held_out(vocabulary, thing, style, background)
                (unseen if kept else seen).append(Shown(scene, rng.choice((128, 256))))
    pairs = []
    for _ in range(600):
        left, right = rng.sample(things, 2)
        scene = pair(left, right, rng.choice(styles), rng.choice(backgrounds), rng)
        side = rng.choice((128, 256))
        pairs += [Shown(scene, side, half) for half in (0, 1)]
    return {
        "unseen combinations": unseen,
        "new placements": rng.sample(seen, 2500),
        "halves of pairs": pairs,
    }


def load_lessons(
    vocabulary: Vocabulary, name: str, shown: list[Shown], cache: Path = CACHE
) -> Lessons:
    """Render, or read back what an earlier call rendered."""
    answers = torch.tensor([one.answers for one in shown])
    path = cache / f"judge-{name.replace(' ', '-')}.pt"
    if path.exists():
        stored = torch.load(path, weights_only=True)
        if torch.equal(stored["answers"], answers):
            return Lessons(stored["pictures"], answers)
    renders = Renders(load_pictures(vocabulary, cache), backdrops(vocabulary), shown)
    parts = list(tqdm(DataLoader(renders, 256), desc=f"renders: {name}", mininterval=10))
    pictures = torch.cat(parts)
    torch.save({"pictures": pictures, "answers": answers}, path)
    return Lessons(pictures, answers)


def soften(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Renders (uint8, n × 3 × SIDE × SIDE) as a generator might have made them, in -1..1.

    One amount of blur a call: it is the number of calls that makes the variety.
    """

    def chance(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator)

    count = len(pictures)
    made = pictures.float() / 127.5 - 1
    roll = chance(0, 1, 1).item()
    if roll < 0.35:
        made = _blur(made, chance(0.3, 1.3, 1).item())
    elif roll < 0.7:
        small = int(chance(36, SIDE, 1).item())
        made = functional.interpolate(made, size=(small, small), mode="bilinear", antialias=True)
        made = functional.interpolate(made, size=(SIDE, SIDE), mode="bicubic")
    play = 3
    left, top = (int(chance(0, 2 * play + 1, 1).item()) for _ in range(2))
    made = functional.pad(made, (play,) * 4, mode="replicate")
    made = made[..., top : top + SIDE, left : left + SIDE]
    # Contrast, brightness and the balance of colours; then grain.
    made = made * chance(0.9, 1.1, count, 1, 1, 1) + chance(-0.08, 0.08, count, 1, 1, 1)
    made = made + chance(-0.04, 0.04, count, 3, 1, 1)
    grain = torch.randn(made.shape, generator=generator)
    return (made + grain * chance(0, 0.05, count, 1, 1, 1)).clamp(-1, 1)


def _blur(pictures: Tensor, sigma: float) -> Tensor:
    axis = torch.arange(-3, 4, dtype=torch.float32)
    row = torch.exp(-(axis**2) / (2 * sigma**2))
    row = row / row.sum()
    channels = pictures.shape[1]
    for shape, padding in (((1, 7), (3, 3, 0, 0)), ((7, 1), (0, 0, 3, 3))):
        kernel = row.view(1, 1, *shape).expand(channels, -1, -1, -1)
        padded = functional.pad(pictures, padding, mode="replicate")
        pictures = functional.conv2d(padded, kernel, groups=channels)
    return pictures
