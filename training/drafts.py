"""Drafts with the pictures they should have been: what teaches Full to finish instead of repeat.

    python -m training.drafts --count 4000

Lite draws the prompts of known scenes as it does for anyone. What it should have drawn is the
true scene, in the light that the draft has: the prompt leaves only that open.
"""

from __future__ import annotations

import argparse
import itertools
import random
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from training.autoencoder import FACTOR, load_autoencoder, load_double
from training.data import CACHE, LIGHTS, backdrops, load_pictures
from training.denoiser import lesson, load_denoiser
from training.latents import SIDE, load_world
from training.pipeline import LITE_STEPS, tokenize
from training.scene import plain_caption, render
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
    pictures, lights = load_pictures(vocabulary), backdrops(vocabulary)
    lite = load_denoiser(vocabulary, "lite").to(device)
    small, large = load_autoencoder().to(device), load_double().to(device)
    generator, rng = torch.Generator().manual_seed(seed), random.Random(seed)
    nodes = torch.linspace(1, 0, LITE_STEPS + 1).tolist()
    latents, meant, prompts = [], [], []
    for _ in tqdm(range(count // BATCH), desc="drafts", mininterval=10):
        scenes = rng.sample(world.scenes, BATCH)
        asked = [plain_caption(vocabulary, scene) for scene in scenes]
        shape = (BATCH, *world.latents.shape[1:])
        drawn = torch.randn(shape, generator=generator).to(device)
        with lesson(device):
            text = lite.encode(tokenize(tokenizer, asked).to(device))
            for here, there in itertools.pairwise(nodes):
                drawn = drawn + (there - here) * lite(drawn, drawn.new_full((BATCH,), here), text)
            lit = [replace(scene, light=light) for scene in scenes for light in range(len(LIGHTS))]
            true = torch.stack(
                [render(pictures, lights[one.ground], one, SIDE * FACTOR) for one in lit]
            )
            true = small.encode(true.to(device)).latents.float().unflatten(0, (BATCH, -1))
            nearest = (true - drawn[:, None]).square().flatten(2).mean(2).argmin(1)
            meant.append(true[torch.arange(BATCH), nearest].half().cpu())
            picture = small.decode(drawn).sample.float().clamp(-1, 1)
            picture = functional.interpolate(picture, scale_factor=2, mode="bicubic")
            latents.append(large.encode(picture).latents.half().cpu())
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
