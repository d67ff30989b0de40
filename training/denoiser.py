"""The denoisers, and the loss and the precision in which all of them learn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from training.latents import SIDE
from training.loop import RUNS
from training.pipeline import (
    Denoiser,
    make_text_encoder,
    make_transformer,
)
from training.vocabulary import Vocabulary

BLOCKS = "transformer.transformer_blocks."
CONTRAST = 0.05
"""Weight of pushing a prediction away from other pictures' velocities: obedience to the prompt."""


def make_denoiser(vocabulary: Vocabulary, layers: int = 5) -> Denoiser:
    """An untrained text encoder and denoiser."""
    return Denoiser(make_text_encoder(vocabulary), make_transformer(SIDE, layers))


def load_denoiser(vocabulary: Vocabulary, name: str) -> Denoiser:
    """The averaged weights of the run called `name`."""
    stored = torch.load(RUNS / name / "checkpoint.pt", weights_only=True)["average"]
    own = "denoiser."  # The trunk learns together with a reading, which is left behind.
    if any(key.startswith(own) for key in stored):
        stored = {key.removeprefix(own): stored[key] for key in stored if key.startswith(own)}
    layers = len({key.split(".")[2] for key in stored if key.startswith(BLOCKS)})
    model = make_denoiser(vocabulary, layers)
    model.load_state_dict(stored)
    model.requires_grad_(False).eval()
    return model


def without_block(vocabulary: Vocabulary, model: Denoiser, index: int) -> Denoiser:
    """A copy with one block left out."""
    layers = len(model.transformer.transformer_blocks)
    return _built_of(vocabulary, model, [block for block in range(layers) if block != index])


def deeper(vocabulary: Vocabulary, model: Denoiser) -> Denoiser:
    """A copy in which all blocks but the last are followed by a copy that at first does nothing.

    The result starts as good as the model is, and learns as something that is almost twice it.
    """
    last = len(model.transformer.transformer_blocks) - 1
    copy = _built_of(vocabulary, model, [*(i // 2 for i in range(2 * last)), last])
    for block in copy.transformer.transformer_blocks[1 : 2 * last : 2]:
        for modulation in (block.norm1.linear, block.norm1_context.linear):
            # Of shift, scale and gate for attention, then for the other half: both gates.
            for gate in (2, 5):
                width = len(modulation.weight) // 6
                nn.init.zeros_(modulation.weight[gate * width : (gate + 1) * width])
                nn.init.zeros_(modulation.bias[gate * width : (gate + 1) * width])
    return copy


def _built_of(vocabulary: Vocabulary, model: Denoiser, blocks: list[int]) -> Denoiser:
    """A copy with these blocks of the model, in this order."""
    stored = {}
    for key, value in model.state_dict().items():
        if not key.startswith(BLOCKS):
            stored[key] = value
            continue
        block, name = key.removeprefix(BLOCKS).split(".", 1)
        for place in (i for i, own in enumerate(blocks) if own == int(block)):
            stored[f"{BLOCKS}{place}.{name}"] = value
    built = make_denoiser(vocabulary, len(blocks))
    built.load_state_dict(stored)
    return built.requires_grad_(False).eval()


def flow_loss(velocity: Tensor, target: Tensor) -> Tensor:
    """Squared error, less a little of the error to the velocities of other pictures."""
    loss = functional.mse_loss(velocity, target)
    return loss - CONTRAST * functional.mse_loss(velocity, target.roll(1, dims=0))


@contextmanager
def lesson(device: str) -> Iterator[None]:
    """The precision in which denoisers learn: mixed.

    With so few tokens the plain attention is the faster one, on a CPU by a quarter.
    """
    with torch.autocast(device, torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        yield


def velocity_of(model: Denoiser, noisy: Tensor, sigma: Tensor, tokens: Tensor) -> Tensor:
    """The model's velocity in mixed precision, float32."""
    device = next(model.parameters()).device
    with lesson(device.type):
        text = model.encode(tokens.to(device))
        velocity: Tensor = model(noisy.to(device), sigma.to(device), text)
    return velocity.float()
