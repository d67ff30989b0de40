"""The denoisers, and the loss and the precision in which all of them learn."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from training.autoencoder import FACTOR
from training.loop import RUNS
from training.pipeline import (
    Denoiser,
    make_text_encoder,
    make_transformer,
    place_patches,
)
from training.vocabulary import Vocabulary

BLOCKS = "transformer.transformer_blocks."
CONTRAST = 0.05
"""Weight of pushing a prediction away from other pictures' velocities: obedience to the prompt."""


def make_denoiser(vocabulary: Vocabulary, size: int, layers: int = 5) -> Denoiser:
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


def flow_loss(velocity: Tensor, target: Tensor) -> Tensor:
    """Squared error, less a little of the error to the velocities of other pictures."""
    loss = functional.mse_loss(velocity, target)
    return loss - CONTRAST * functional.mse_loss(velocity, target.roll(1, dims=0))


def velocity_of(model: Denoiser, noisy: Tensor, sigma: Tensor, tokens: Tensor) -> Tensor:
    """The model's velocity in mixed precision, float32.

    With so few tokens the plain attention is the faster one, on a CPU by a quarter.
    """
    device = next(model.parameters()).device
    with torch.autocast(device.type, torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        text = model.encode(tokens.to(device))
        velocity: Tensor = model(noisy.to(device), sigma.to(device), text)
    return velocity.float()
