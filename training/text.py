"""The text encoder's first lesson: to know what the things it names look like.

    python -m training.text --steps 4000

A small eye reads the text encoder's states and must say, patch by patch, the latents of a scene
from its caption alone. What the eye learns is thrown away; the encoder keeps the looks of every
thing in its states, where the denoiser finds them from its first step on. It costs a fifth of a
denoiser's step and no noise.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextModelWithProjection

from training.autoencoder import CHANNELS
from training.latents import load_world
from training.loop import Loop
from training.pipeline import POOLED_WIDTH, STATES_WIDTH, encode_text, make_text_encoder, tokenize
from training.vocabulary import Vocabulary, load_vocabulary, make_tokenizer

PATCHES = 8
"""Patches along one side of a 128 × 128 picture's latents."""


class Glance(nn.Module):
    """One look: every patch asks the text states, then thinks about it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before = nn.LayerNorm(width)
        self.asks = nn.MultiheadAttention(
            width, 4, kdim=STATES_WIDTH, vdim=STATES_WIDTH, batch_first=True
        )
        self.shift = nn.Linear(POOLED_WIDTH, 2 * width)
        self.after = nn.LayerNorm(width, elementwise_affine=False)
        self.thinks = nn.Sequential(
            nn.Linear(width, 3 * width), nn.GELU(approximate="tanh"), nn.Linear(3 * width, width)
        )

    def forward(self, patches: Tensor, states: Tensor, pooled: Tensor) -> Tensor:
        """Patches (n × count × width) that know more."""
        patches = patches + self.asks(self.before(patches), states, states, need_weights=False)[0]
        scale, shift = self.shift(pooled)[:, None].chunk(2, dim=-1)
        thought: Tensor = self.thinks(self.after(patches) * (1 + scale) + shift)
        return patches + thought


class Eye(nn.Module):
    """The text encoder and what tells latents from its states."""

    def __init__(self, vocabulary: Vocabulary, width: int = 192) -> None:
        super().__init__()
        self.text_encoder = make_text_encoder(vocabulary)
        self.patches = nn.Parameter(torch.randn(PATCHES**2, width))
        self.glances = nn.ModuleList(Glance(width) for _ in range(3))
        self.latents = nn.Linear(width, 4 * CHANNELS)

    def forward(self, tokens: Tensor) -> Tensor:
        """The latents that the captions make one expect (n × channels × side × side)."""
        states, pooled = encode_text(self.text_encoder, tokens)
        patches = self.patches.expand(len(tokens), -1, -1)
        for glance in self.glances:
            patches = glance(patches, states, pooled)
        rows = self.latents(patches).transpose(1, 2)
        return functional.fold(rows, 2 * PATCHES, kernel_size=2, stride=2)


def train(
    steps: int, batch: int, rate: float, device: str, seed: int
) -> CLIPTextModelWithProjection:
    """Train, or go on training; the result has averaged weights."""
    vocabulary = load_vocabulary()
    tokenizer = make_tokenizer(vocabulary)
    world = load_world(vocabulary, 128, device)
    torch.manual_seed(seed)
    model = Eye(vocabulary).to(device)
    loop = Loop("text", model, steps, rate, average_over=max(1, steps // 20), seed=seed)
    for _ in loop:
        true, captions = world.draw(batch, loop.generator, empty=0.02)
        with torch.autocast(device, torch.bfloat16):
            expected = model(tokenize(tokenizer, captions).to(device))
        loop.descend(functional.mse_loss(expected.float(), true.to(device)))
    text_encoder: CLIPTextModelWithProjection = loop.average.text_encoder
    return text_encoder


def main() -> None:
    """Train the text encoder by itself."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    train(given.steps, given.batch, given.rate, given.device, given.seed)


if __name__ == "__main__":
    main()
