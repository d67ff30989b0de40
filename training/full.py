"""Full: the trunk made deeper, taught to draw on and to finish drafts.

    python -m training.full --steps 5500

Two lessons in turn. From noise of any level, as usual, though mostly low and middle: Full starts
from drafts. And from Lite's drafts, drowned in the noise that the default strength gives them:
the way from there leads to the true picture, mistakes of the draft mended.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from training.denoiser import deeper, flow_loss, load_denoiser, velocity_of
from training.drafts import load_drafts
from training.latents import load_world
from training.loop import Loop
from training.pipeline import Denoiser, tokenize
from training.vocabulary import load_vocabulary, make_tokenizer

DRAFTS = 4000
WEAKEST, STRONGEST = 0.25, 0.75
"""Noise levels between which drafts are mended; the default strength lies in the middle."""


def noise_levels(count: int, generator: torch.Generator) -> Tensor:
    """Noise levels of the plain lesson (count, in 0..1): three quarters of them below 0.7."""
    even = torch.rand(count, generator=generator)
    high = torch.sigmoid(0.8 + torch.randn(count, generator=generator))
    chance = torch.rand(count, generator=generator)
    return torch.where(chance < 0.75, 0.02 + 0.68 * even, high)


def train(steps: int, batch: int, rate: float, device: str, seed: int) -> Denoiser:
    """Train, or go on training; the result has averaged weights."""
    vocabulary = load_vocabulary()
    tokenizer = make_tokenizer(vocabulary)
    world = load_world(vocabulary, device)
    drafts = load_drafts(vocabulary, DRAFTS, device)
    torch.manual_seed(seed)
    model = deeper(vocabulary, load_denoiser(vocabulary, "trunk"))
    # Both tiers share the text encoder as it is.
    model.transformer.requires_grad_(True)
    model.to(device).train()
    loop = Loop("full", model, steps, rate, average_over=max(1, steps // 8), seed=seed)
    model.transformer.compile()
    for _ in loop:
        _, captions, plain = world.draw(batch - batch // 2, loop.generator)
        drawn, meant, asked = drafts.draw(batch // 2, loop.generator)
        low = noise_levels(len(plain), loop.generator)
        mid = WEAKEST + (STRONGEST - WEAKEST) * torch.rand(len(drawn), generator=loop.generator)
        sigma, start = torch.cat([low, mid]), torch.cat([plain, drawn])
        true = torch.cat([plain, meant])
        level = sigma.view(-1, 1, 1, 1)
        noisy = start.lerp(torch.randn(start.shape, generator=loop.generator), level)
        velocity = velocity_of(model, noisy, sigma, tokenize(tokenizer, captions + asked))
        loop.descend(flow_loss(velocity, ((noisy - true) / level).to(device)))
    average: Denoiser = loop.average  # type: ignore[assignment]
    return average


def main() -> None:
    """Train Full."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--steps", type=int, default=5500)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=4e-4)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    train(given.steps, given.batch, given.rate, given.device, given.seed)


if __name__ == "__main__":
    main()
