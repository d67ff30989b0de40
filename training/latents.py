"""Scenes of the world with their latents, made once: what the text encoder and denoisers learn.

python -m training.latents        render and encode the scenes
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from training.autoencoder import FACTOR, load_autoencoder
from training.data import CACHE, SIZE, Pictures, backdrops, load_pictures
from training.scene import PAIRS, Scene, caption, held_out, pair, render, settle, single
from training.vocabulary import Vocabulary, load_vocabulary

SIDE = SIZE // 2 // FACTOR
"""Of the latents, which Lite sees as a picture of half SIZE, and Full as one of SIZE."""
PLACEMENTS = 4
"""Scenes of every combination of thing, style and background."""
FREE = 0.5
"""Share of samples that are single things without words for size or place, besides those among
the others."""
BATCH = 24
SEED = 128


class Sample(NamedTuple):
    """What one step of training sees, in one order.

    `latents`: count × channels × SIDE × SIDE, float32.
    """

    scenes: list[Scene]
    captions: list[str]
    latents: Tensor


@dataclass(frozen=True)
class World:
    """The training set of the denoisers: settled scenes and, in the same order, their latents.

    `latents`: float16 (scenes, channels, SIDE, SIDE).
    """

    vocabulary: Vocabulary
    colours: tuple[tuple[str | None, ...], ...]
    scenes: list[Scene]
    latents: Tensor

    @cached_property
    def free(self) -> Tensor:
        """The places of scenes that no word for size or place holds."""
        return torch.tensor([i for i, scene in enumerate(self.scenes) if scene.free])

    def draw(self, count: int, generator: torch.Generator, empty: float = 0.1) -> Sample:
        """Random scenes with their latents and captions, a share of these `empty`."""
        which = torch.randint(len(self.scenes), (count,), generator=generator)
        free = self.free[torch.randint(len(self.free), (count,), generator=generator)]
        which = torch.where(torch.rand(count, generator=generator) < FREE, free, which)
        rng = random.Random(int(torch.randint(1 << 31, (1,), generator=generator)))
        scenes = [self.scenes[i] for i in which.tolist()]
        captions = [caption(self.vocabulary, self.colours, one, rng, empty) for one in scenes]
        return Sample(scenes, captions, self.latents[which].float())


def make_scenes(vocabulary: Vocabulary, placements: int, seed: int) -> list[Scene]:
    """The scenes to learn from: every combination that is not held out, and pairs of things."""
    rng = random.Random(seed)
    things, styles = range(len(vocabulary.things)), range(len(vocabulary.styles))
    backgrounds = range(len(vocabulary.backgrounds))
    scenes = [
        single(vocabulary, thing, style, background, rng)
        for thing in things
        for style in styles
        for background in backgrounds
        if not held_out(vocabulary, thing, style, background)
        for _ in range(placements)
    ]
    for _ in range(int(len(scenes) * PAIRS / (1 - PAIRS))):
        left, right = rng.sample(things, 2)
        scenes.append(pair(left, right, rng.choice(styles), rng.choice(backgrounds), rng))
    return scenes


class Renders(Dataset[Tensor]):
    """The pictures of scenes, rendered as they are asked for: 3 × side × side in -1..1."""

    def __init__(self, pictures: Pictures, lights: Tensor, scenes: list[Scene], side: int) -> None:
        self.pictures, self.lights, self.scenes, self.side = pictures, lights, scenes, side

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> Tensor:
        scene = self.scenes[index]
        return render(self.pictures, self.lights[scene.ground], scene, self.side)


@torch.no_grad()
def load_world(vocabulary: Vocabulary, device: str = "cpu", cache: Path = CACHE) -> World:
    """Render and encode the scenes, or read back what an earlier call encoded."""
    pictures = load_pictures(vocabulary, cache)
    scenes = [settle(vocabulary, one) for one in make_scenes(vocabulary, PLACEMENTS, SEED)]
    path = cache / "latents.pt"
    if path.exists():
        latents = torch.load(path, weights_only=True, mmap=True)
        if len(latents) == len(scenes):
            return World(vocabulary, pictures.colours, scenes, latents)
    autoencoder = load_autoencoder().to(device, memory_format=torch.channels_last)
    renders = DataLoader(Renders(pictures, backdrops(vocabulary), scenes, SIZE // 2), BATCH)
    rows = []
    for true in tqdm(renders, desc="latents", mininterval=10):
        with torch.autocast(device, torch.bfloat16):
            made = autoencoder.encode(true.to(device, memory_format=torch.channels_last)).latents
        rows.append(made.half().cpu())
    latents = torch.cat(rows)
    torch.save(latents, path)
    return World(vocabulary, pictures.colours, scenes, latents)


def main() -> None:
    """Render and encode, so that the later stages start at once."""
    argparse.ArgumentParser(description=main.__doc__).parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(tuple(load_world(load_vocabulary(), device).latents.shape))


if __name__ == "__main__":
    main()
