"""The trunk: rectified flow on the latents of the world at 128 × 128. Both tiers start from it.

python -m training.trunk --steps 14000
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from training.denoiser import flow_loss, make_denoiser, velocity_of
from training.latents import load_world
from training.loop import RUNS, Loop
from training.pipeline import Denoiser, tokenize
from training.vocabulary import load_vocabulary, make_tokenizer


def noise_levels(count: int, generator: torch.Generator) -> Tensor:
    """Noise levels to train on (count, in 0..1).

    From everywhere, the upper middle most: it is near the noise that the prompt decides.
    """
    middle = torch.sigmoid(0.8 + torch.randn(count, generator=generator))
    even = torch.rand(count, generator=generator)
    return torch.where(torch.rand(count, generator=generator) < 0.2, even, middle)


def train(steps: int, batch: int, rate: float, device: str, seed: int) -> Denoiser:
    """Train the trunk, or go on training; the result has averaged weights."""
    vocabulary = load_vocabulary()
    tokenizer = make_tokenizer(vocabulary)
    world = load_world(vocabulary, 128, device)
    torch.manual_seed(seed)
    model = make_denoiser(vocabulary, 128)
    stored = torch.load(RUNS / "text" / "checkpoint.pt", weights_only=True)["average"]
    name = "text_encoder."
    model.text_encoder.load_state_dict(
        {key.removeprefix(name): stored[key] for key in stored if key.startswith(name)}
    )
    model.to(device).train()
    loop = Loop("trunk", model, steps, rate, average_over=min(1000, max(1, steps // 8)), seed=seed)
    # A minute or more to compile, then up to twice the pictures a second on a CPU.
    model.transformer.compile()
    for _ in loop:
        true, captions = world.draw(batch, loop.generator)
        sigma = noise_levels(batch, loop.generator)
        noise = torch.randn(true.shape, generator=loop.generator)
        noisy = true.lerp(noise, sigma.view(-1, 1, 1, 1))
        velocity = velocity_of(model, noisy, sigma, tokenize(tokenizer, captions))
        loop.descend(flow_loss(velocity, (noise - true).to(device)))
    average: Denoiser = loop.average  # type: ignore[assignment]
    return average


def main() -> None:
    """Train the trunk."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--steps", type=int, default=14000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=8e-4)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    train(given.steps, given.batch, given.rate, given.device, given.seed)


if __name__ == "__main__":
    main()
