"""Every picture of the world as latents, made once: what the denoisers learn from."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from training.data import CACHE, SIZE, Pictures, backdrops, compose, load_pictures
from training.vocabulary import Vocabulary, caption


@dataclass(frozen=True, slots=True)
class World:
    """The training set of the denoisers.

    `latents`: float16 (things, styles, backgrounds, 2 flips, channels, side, side); None where
    they would be too many to keep, and are made as they are drawn.
    """

    vocabulary: Vocabulary
    pictures: Pictures
    lights: Tensor
    autoencoder: AutoencoderTiny
    latents: Tensor | None

    @torch.no_grad()
    def encode(self, places: Tensor) -> Tensor:
        """Latents of pictures at full size, named by thing, style, background and flip."""
        things, styles, backgrounds, flips = places.unbind(dim=1)
        true = compose(self.pictures.rgba[things, styles], self.lights[backgrounds])
        true = torch.where(flips.view(-1, 1, 1, 1) == 1, true.flip(-1), true)
        device = next(self.autoencoder.parameters()).device
        true = true.to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            made: Tensor = self.autoencoder.encode(true).latents
        return made.float().cpu()

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, list[str]]:
        """Random latents (count × channels × side × side, float32) with captions for them."""
        shape = (*self.pictures.rgba.shape[:2], len(self.lights), 2)
        places = torch.stack(
            [torch.randint(n, (count,), generator=generator) for n in shape], dim=1
        )
        seed = int(torch.randint(1 << 31, (1,), generator=generator))
        rng = random.Random(seed)
        words = self.vocabulary
        captions = [
            caption(
                words.things[thing].word,
                words.styles[style].word,
                words.backgrounds[background].word,
                self.pictures.colours[thing][style],
                rng,
            )
            for thing, style, background, _ in places.tolist()
        ]
        if self.latents is None:
            return self.encode(places), captions
        return self.latents[places.unbind(dim=1)].float(), captions


@torch.no_grad()
def load_world(
    vocabulary: Vocabulary,
    autoencoder: AutoencoderTiny,
    size: int,
    device: str = "cpu",
    cache: Path = CACHE,
) -> World:
    """Encode every thing × style × background × flip at `size` pixels, or read them back.

    At full size that would be 750 MB: there they are encoded as they are drawn.
    """
    pictures, lights = load_pictures(vocabulary, cache), backdrops(vocabulary)
    autoencoder = autoencoder.to(device)
    if size == SIZE:
        return World(vocabulary, pictures, lights, autoencoder, None)
    path = cache / f"latents-{size}.pt"
    if path.exists():
        stored = torch.load(path, weights_only=True, mmap=True)
        return World(vocabulary, pictures, lights, autoencoder, stored)
    rows = []
    for thing in tqdm(pictures.rgba, desc=f"latents at {size}", mininterval=10):
        true = torch.cat([compose(cut.expand(len(lights), -1, -1, -1), lights) for cut in thing])
        true = functional.avg_pool2d(true, SIZE // size)
        true = torch.stack([true, true.flip(-1)], dim=1).flatten(0, 1)
        batches = true.to(device, memory_format=torch.channels_last).split(24)
        with torch.autocast(device, torch.bfloat16):
            made = torch.cat([autoencoder.encode(batch).latents for batch in batches])
        rows.append(made.half().cpu().unflatten(0, (len(thing), len(lights), 2)))
    latents = torch.stack(rows)
    torch.save(latents, path)
    return World(vocabulary, pictures, lights, autoencoder, latents)
