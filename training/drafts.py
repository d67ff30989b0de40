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
from tqdm import tqdm

from training.autoencoder import load_autoencoder, load_double
from training.data import CACHE
from training.denoiser import lesson, load_denoiser
from training.latents import load_world
from training.pipeline import LITE_STEPS, tokenize
from training.scene import plain_caption
from training.vocabulary import Vocabulary, load_vocabulary, make_tokenizer

BATCH = 24


@dataclass(frozen=True, slots=True)
class Drafts:
    """Latents of drafts and of the pictures they should have been, float16, and their prompts."""

    latents: Tensor
    true: Tensor
    prompts: list[str]

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, list[str]]:
        """Random latents of drafts, those of their true pictures, and prompts."""
        which = torch.randint(len(self.latents), (count,), generator=generator)
        prompts = [self.prompts[i] for i in which.tolist()]
        return self.latents[which].float(), self.true[which].float(), prompts


@torch.no_grad()
def load_drafts(vocabulary: Vocabulary, count: int, device: str, seed: int = 6) -> Drafts:
    """Let Lite draw `count` scenes of the world, or read back what it drew.

    A draft reaches Full as a picture: it is decoded, enlarged and encoded again.
    """
    path = CACHE / "drafts.pt"
    if path.exists():
        stored = torch.load(path, weights_only=True)
        return Drafts(stored["latents"], stored["true"], stored["prompts"])
    world, tokenizer = load_world(vocabulary, device), make_tokenizer(vocabulary)
    lite = load_denoiser(vocabulary, "lite").to(device)
    small, large = load_autoencoder().to(device), load_double().to(device)
    generator, rng = torch.Generator().manual_seed(seed), random.Random(seed)
    nodes = torch.linspace(1, 0, LITE_STEPS + 1).tolist()
    latents, meant, prompts = [], [], []
    for _ in tqdm(range(count // BATCH), desc="drafts", mininterval=10):
        which = rng.sample(range(len(world.scenes)), BATCH)
        scenes, true = [world.scenes[i] for i in which], world.latents[which].float()
        asked = [plain_caption(vocabulary, scene) for scene in scenes]
        noise = torch.randn(true.shape, generator=generator)
        # The first step decides on the layout: it is left out, and the layout is the true one.
        drawn = true.lerp(noise, nodes[1]).to(device)
        with lesson(device):
            text = lite.encode(tokenize(tokenizer, asked).to(device))
            for here, there in itertools.pairwise(nodes[1:]):
                drawn = drawn + (there - here) * lite(drawn, drawn.new_full((BATCH,), here), text)
            picture = small.decode(drawn).sample.float().clamp(-1, 1)
            picture = functional.interpolate(picture, scale_factor=2, mode="bicubic")
            latents.append(large.encode(picture).latents.half().cpu())
        meant.append(true.half())
        prompts += asked
    drafts = Drafts(torch.cat(latents), torch.cat(meant), prompts)
    torch.save({"latents": drafts.latents, "true": drafts.true, "prompts": prompts}, path)
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
