"""The text encoder's first lesson: to say in its pooled vector what a caption asks for.

    python -m training.text --steps 1500

The denoiser then finds the thing, the style and the background in the vector from its first step
on. Without this it learned the backgrounds at once, and of the things nothing for 50,000 pictures.
"""

from __future__ import annotations

import argparse
import random

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextModelWithProjection

from training.data import load_pictures
from training.loop import Loop
from training.pipeline import TEXT_WIDTH, make_text_encoder, tokenize
from training.vocabulary import Vocabulary, caption, load_vocabulary, make_tokenizer


class Reader(nn.Module):
    """The text encoder with a linear reading of its pooled vector for each kind of word."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.text_encoder = make_text_encoder(vocabulary)
        kinds = (vocabulary.things, vocabulary.styles, vocabulary.backgrounds)
        self.heads = nn.ModuleList(nn.Linear(TEXT_WIDTH, len(kind)) for kind in kinds)

    def forward(self, tokens: Tensor) -> list[Tensor]:
        """Scores for things, styles and backgrounds, each n × how many there are."""
        pooled = self.text_encoder(tokens).text_embeds
        return [head(pooled) for head in self.heads]


def train(steps: int, batch: int, device: str, seed: int) -> CLIPTextModelWithProjection:
    """Train, or go on training; the result has averaged weights."""
    vocabulary = load_vocabulary()
    colours = load_pictures(vocabulary).colours
    tokenizer = make_tokenizer(vocabulary)
    torch.manual_seed(seed)
    model = Reader(vocabulary).to(device)
    loop = Loop("text", model, steps, 1e-3, average_over=100, seed=seed)
    kinds = (vocabulary.things, vocabulary.styles, vocabulary.backgrounds)
    for _ in loop:
        rng = random.Random(int(torch.randint(1 << 31, (1,), generator=loop.generator)))
        wanted = [[rng.randrange(len(kind)) for kind in kinds] for _ in range(batch)]
        captions = [
            caption(
                vocabulary.things[want[0]].word,
                vocabulary.styles[want[1]].word,
                vocabulary.backgrounds[want[2]].word,
                colour=colours[want[0]][want[1]],
                rng=rng,
                empty=0.02,
            )
            for want in wanted
        ]
        scores = model(tokenize(tokenizer, captions).to(device))
        targets = torch.tensor(wanted, device=device).unbind(dim=1)
        losses = map(functional.cross_entropy, scores, targets)
        loop.descend(torch.stack(list(losses)).sum())
    text_encoder: CLIPTextModelWithProjection = loop.average.text_encoder
    return text_encoder


def main() -> None:
    """Train the text encoder by itself."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    train(given.steps, given.batch, given.device, given.seed)


if __name__ == "__main__":
    main()
