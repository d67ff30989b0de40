"""The text encoder's first lesson: to know what the things it names look like.

    python -m training.text --steps 4000

Every prompt ends with a token for each cell of the canvas. From the state of a cell's token alone
the latents of that cell must be read, by one linear map, as the caption makes one expect them;
and all of them, more roughly, from the pooled vector. The maps are thrown away. The encoder keeps
the looks of every thing, laid out on the canvas, where the denoiser finds them from its first
step on. It costs a fraction of a denoiser's step and has no noise in it.
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
from training.vocabulary import (
    CELL_TOKENS,
    CELLS,
    CONTEXT_LENGTH,
    Vocabulary,
    load_vocabulary,
    make_tokenizer,
)

SIDE = 16
"""Of the latents of a 128 × 128 picture."""
SPAN = SIDE // CELLS


class Eye(nn.Module):
    """The text encoder, and two linear readings of a picture's latents from what it says."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.text_encoder = make_text_encoder(vocabulary)
        self.cell = nn.Linear(STATES_WIDTH, CHANNELS * SPAN**2)
        self.whole = nn.Linear(POOLED_WIDTH, CHANNELS * SIDE**2)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The latents that the captions make one expect, twice: n × CHANNELS × SIDE × SIDE.

        Read from the cells' states, and from the pooled vector.
        """
        states, pooled = encode_text(self.text_encoder, tokens)
        last = CONTEXT_LENGTH - len(CELL_TOKENS)
        cells = self.cell(states[:, last:CONTEXT_LENGTH]).transpose(1, 2)
        seen = functional.fold(cells, SIDE, kernel_size=SPAN, stride=SPAN)
        return seen, self.whole(pooled).unflatten(1, (CHANNELS, SIDE, SIDE))


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
        losses = [functional.mse_loss(each.float(), true.to(device)) for each in expected]
        loop.descend(losses[0] + 0.3 * losses[1])
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
