"""Scenes of the world with their latents, made once: what the text encoder and denoisers learn.

python -m training.latents        render and encode the scenes for Lite's size and for Full's
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from training.autoencoder import load_autoencoder
from training.data import CACHE, Pictures, backdrops, load_pictures
from training.scene import PAIRS, Scene, caption, held_out, pair, render, single
from training.vocabulary import Vocabulary, load_vocabulary

PLACEMENTS = {128: 4, 256: 1}
"""Scenes of every combination of thing, style and background, by the side of the picture."""
BATCH = 24


@dataclass(frozen=True, slots=True)
class World:
    """The training set of the denoisers: scenes and, in the same order, their latents.

    `latents`: float16 (scenes, channels, side / 8, side / 8).
    """

    vocabulary: Vocabulary
    colours: tuple[tuple[str | None, ...], ...]
    scenes: list[Scene]
    latents: Tensor

    def draw(
        self, count: int, generator: torch.Generator, empty: float = 0.1
    ) -> tuple[Tensor, list[str]]:
        """Random latents (count × channels × side × side, float32) with captions for them."""
        which = torch.randint(len(self.scenes), (count,), generator=generator)
        rng = random.Random(int(torch.randint(1 << 31, (1,), generator=generator)))
        captions = [
            caption(self.vocabulary, self.colours, self.scenes[i], rng, empty)
            for i in which.tolist()
        ]
        return self.latents[which].float(), captions


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
        return render(self.pictures, self.lights[scene.background], scene, self.side)


@torch.no_grad()
def load_world(
    vocabulary: Vocabulary, size: int, device: str = "cpu", cache: Path = CACHE
) -> World:
    """Render and encode the scenes at `size` pixels, or read back what an earlier call encoded."""
    pictures = load_pictures(vocabulary, cache)
    scenes = make_scenes(vocabulary, PLACEMENTS[size], seed=size)
    path = cache / f"latents-{size}.pt"
    if path.exists():
        latents = torch.load(path, weights_only=True, mmap=True)
        if len(latents) == len(scenes):
            return World(vocabulary, pictures.colours, scenes, latents)
    autoencoder = load_autoencoder().to(device, memory_format=torch.channels_last)
    renders = DataLoader(Renders(pictures, backdrops(vocabulary), scenes, size), BATCH)
    rows = []
    for true in tqdm(renders, desc=f"latents at {size}", mininterval=10):
        with torch.autocast(device, torch.bfloat16):
            made = autoencoder.encode(true.to(device, memory_format=torch.channels_last)).latents
        rows.append(made.half().cpu())
    latents = torch.cat(rows)
    torch.save(latents, path)
    return World(vocabulary, pictures.colours, scenes, latents)


def main() -> None:
    """Render and encode, so that the later stages start at once."""
    argparse.ArgumentParser(description=main.__doc__).parse_args()
    for size in PLACEMENTS:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        print(size, tuple(load_world(load_vocabulary(), size, device).latents.shape))


if __name__ == "__main__":
    main()
