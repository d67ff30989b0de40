"""Drafts with the pictures they should have been: what teaches Full to finish instead of repeat.

    python -m training.drafts --count 4000

A true scene is drowned in noise at Lite's size, so deeply that only its layout is left, and Lite
draws it again: a draft with Lite's own mistakes in the place where the true picture is known.
"""

from __future__ import annotations

import argparse
import itertools
import random
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm

from training.autoencoder import load_autoencoder
from training.data import CACHE, backdrops, load_pictures
from training.denoiser import load_denoiser
from training.latents import PLACEMENTS, World, make_scenes
from training.pipeline import LITE_STEPS, tokenize
from training.scene import plain_caption, render
from training.vocabulary import Vocabulary, load_vocabulary, make_tokenizer

BATCH = 24


@dataclass(frozen=True, slots=True)
class Drafts:
    """Indices into the scenes of the world at 256 and, in the same order, latents of drafts.

    `latents`: float16 (count, channels, 32, 32).
    """

    scenes: Tensor
    latents: Tensor

    def draw(
        self, world: World, count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, list[str]]:
        """Random latents of drafts, those of their true pictures, and captions."""
        which = torch.randint(len(self.scenes), (count,), generator=generator)
        scenes = self.scenes[which]
        captions = [plain_caption(world.vocabulary, world.scenes[i]) for i in scenes.tolist()]
        return self.latents[which].float(), world.latents[scenes].float(), captions


@torch.no_grad()
def load_drafts(vocabulary: Vocabulary, count: int, device: str, seed: int = 6) -> Drafts:
    """Let Lite draw `count` scenes of the world at 256, or read back what it drew."""
    path = CACHE / "drafts.pt"
    if path.exists():
        stored = torch.load(path, weights_only=True)
        return Drafts(stored["scenes"], stored["latents"])
    pictures, lights = load_pictures(vocabulary), backdrops(vocabulary)
    scenes = make_scenes(vocabulary, PLACEMENTS[256], seed=256)
    tokenizer = make_tokenizer(vocabulary)
    lite = load_denoiser(vocabulary, "lite", 128).to(device)
    autoencoder = load_autoencoder().to(device)
    generator = torch.Generator().manual_seed(seed)
    nodes = torch.linspace(1, 0, LITE_STEPS + 1).tolist()
    chosen = random.Random(seed).sample(range(len(scenes)), count // BATCH * BATCH)
    rows = []
    for start in tqdm(range(0, len(chosen), BATCH), desc="drafts", mininterval=10):
        asked = [scenes[i] for i in chosen[start : start + BATCH]]
        true = torch.stack(
            [render(pictures, lights[scene.background], scene, 128) for scene in asked]
        )
        tokens = tokenize(tokenizer, [plain_caption(vocabulary, scene) for scene in asked])
        # The first step decides on the layout: it is left out, and the layout is the true one.
        with torch.autocast(device, torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            latents = autoencoder.encode(true.to(device)).latents.float()
            noise = torch.randn(latents.shape, generator=generator).to(device)
            latents = latents.lerp(noise, nodes[1])
            text = lite.encode(tokens.to(device))
            for here, there in itertools.pairwise(nodes[1:]):
                sigma = latents.new_full((len(asked),), here)
                latents = latents + (there - here) * lite(latents, sigma, text).float()
            drawn = autoencoder.decode(latents).sample.float().clamp(-1, 1)
            larger = functional.interpolate(drawn, scale_factor=2, mode="bicubic")
            rows.append(autoencoder.encode(larger).latents.half().cpu())
    drafts = Drafts(torch.tensor(chosen), torch.cat(rows))
    torch.save({"scenes": drafts.scenes, "latents": drafts.latents}, path)
    return drafts


def main() -> None:
    """Draw the drafts that Full learns to finish."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--count", type=int, default=4000)
    given = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(tuple(load_drafts(load_vocabulary(), given.count, device).latents.shape))


if __name__ == "__main__":
    main()
