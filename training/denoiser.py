"""The denoisers: rectified flow on the latents of the world.

python -m training.denoiser trunk --steps 7000      128 × 128, both tiers start from it
python -m training.denoiser full --steps 900        256 × 256, mostly low and middle noise
"""

from __future__ import annotations

import argparse
import copy

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from training.autoencoder import FACTOR, load_autoencoder
from training.latents import World, load_world
from training.loop import RUNS, Loop
from training.pipeline import (
    Denoiser,
    make_text_encoder,
    make_transformer,
    place_patches,
    tokenize,
)
from training.vocabulary import Vocabulary, load_vocabulary, make_tokenizer

BLOCKS = "transformer.transformer_blocks."
SIZES = {"trunk": 128, "full": 256}
CONTRAST = 0.05
"""Weight of pushing a prediction away from other pictures' velocities: obedience to the prompt."""


def make_denoiser(vocabulary: Vocabulary, size: int, layers: int = 6) -> Denoiser:
    """An untrained text encoder and denoiser for pictures of `size` pixels."""
    return Denoiser(make_text_encoder(vocabulary), make_transformer(size // FACTOR, layers))


def load_denoiser(vocabulary: Vocabulary, name: str, size: int) -> Denoiser:
    """The averaged weights of the run called `name`, for pictures of `size` pixels."""
    stored = torch.load(RUNS / name / "checkpoint.pt", weights_only=True)["average"]
    layers = len({key.split(".")[2] for key in stored if key.startswith(BLOCKS)})
    model = make_denoiser(vocabulary, size, layers)
    model.load_state_dict(stored)
    place_patches(model.transformer, step=128 / size)
    model.requires_grad_(False).eval()
    return model


def without_block(vocabulary: Vocabulary, model: Denoiser, size: int, index: int) -> Denoiser:
    """A copy with one block left out."""
    layers = len(model.transformer.transformer_blocks)
    kept = [block for block in range(layers) if block != index]
    stored = {}
    for key, value in model.state_dict().items():
        if key.startswith(BLOCKS):
            block, name = key.removeprefix(BLOCKS).split(".", 1)
            if int(block) == index:
                continue
            key = f"{BLOCKS}{kept.index(int(block))}.{name}"
        stored[key] = value
    fewer = make_denoiser(vocabulary, size, layers - 1)
    fewer.load_state_dict(stored)
    return fewer


def noise_levels(stage: str, count: int, generator: torch.Generator) -> Tensor:
    """Noise levels to train on (count, in 0..1).

    The trunk draws from everywhere, the upper middle most: it is near the noise that the prompt
    decides. Full starts from drafts, so three quarters of its levels lie below the strength at
    which a draft still shows through.
    """
    middle = torch.sigmoid(0.6 + torch.randn(count, generator=generator))
    even = torch.rand(count, generator=generator)
    chance = torch.rand(count, generator=generator)
    if stage == "full":
        return torch.where(chance < 0.75, 0.02 + 0.68 * even, middle)
    return torch.where(chance < 0.2, even, middle)


def flow_loss(velocity: Tensor, target: Tensor) -> Tensor:
    """Squared error, less a little of the error to the velocities of other pictures."""
    loss = functional.mse_loss(velocity, target)
    return loss - CONTRAST * functional.mse_loss(velocity, target.roll(1, dims=0))


def train(stage: str, steps: int, batch: int, rate: float, device: str, seed: int) -> Denoiser:
    """Train, or go on training; the result has averaged weights."""
    vocabulary = load_vocabulary()
    tokenizer = make_tokenizer(vocabulary)
    size = SIZES[stage]
    world: World = load_world(vocabulary, load_autoencoder(), size, device)
    torch.manual_seed(seed)
    if stage == "trunk":
        model = make_denoiser(vocabulary, size)
        stored = torch.load(RUNS / "text" / "checkpoint.pt", weights_only=True)["average"]
        name = "text_encoder."
        model.text_encoder.load_state_dict(
            {key.removeprefix(name): stored[key] for key in stored if key.startswith(name)}
        )
    else:
        model = copy.deepcopy(load_denoiser(vocabulary, "trunk", size)).requires_grad_(True)
        # Both tiers share the text encoder as it is.
        model.text_encoder.requires_grad_(False)
    model.to(device).train()
    loop = Loop(stage, model, steps, rate, average_over=min(1000, max(1, steps // 5)), seed=seed)
    for _ in loop:
        true, captions = world.draw(batch, loop.generator)
        sigma = noise_levels(stage, batch, loop.generator)
        noise = torch.randn(true.shape, generator=loop.generator)
        level = sigma.view(-1, 1, 1, 1)
        noisy, target = true.lerp(noise, level), noise - true
        # With so few tokens the plain attention is the faster one, on a CPU by a quarter.
        with torch.autocast(device, torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            text = model.encode(tokenize(tokenizer, captions).to(device))
            velocity = model(noisy.to(device), sigma.to(device), text)
            loss = flow_loss(velocity.float(), target.to(device))
        loop.descend(loss)
    average: Denoiser = loop.average  # type: ignore[assignment]
    return average


def main() -> None:
    """Train one of the denoisers."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("stage", choices=SIZES)
    parser.add_argument("--steps", type=int, default=7000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=8e-4)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    train(given.stage, given.steps, given.batch, given.rate, given.device, given.seed)


if __name__ == "__main__":
    main()
