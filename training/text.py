"""The text encoder's first lesson: to know what the things it names look like.

    python -m training.text --steps 1600

Every thing is followed by tokens of its own, one for each of its parts. They need not learn from
nothing how those look: their embeddings start as the principal components of the parts' latents
in all styles. From the state of such a token the latents of its part in the style that is asked
for must be read, by one linear map.

Every prompt ends with a token for each cell of the canvas. From its state the latents of that
cell must be read, as the caption makes one expect them; and all of them, more roughly, from the
pooled vector. The maps are thrown away. The encoder keeps the looks of every thing, laid out on
the canvas, where the denoiser finds them from its first step on. It costs a fraction of a
denoiser's step and has no noise in it.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextModelWithProjection

from training.autoencoder import CHANNELS
from training.latents import SIDE, Sample, World, load_world
from training.loop import Loop
from training.pipeline import POOLED_WIDTH, STATES_WIDTH, encode_text, make_text_encoder, tokenize
from training.vocabulary import (
    CELL_TOKENS,
    CELLS,
    CONTEXT_LENGTH,
    LOOKS,
    Vocabulary,
    load_vocabulary,
    make_tokenizer,
)

SPAN = SIDE // CELLS


def parts(world: World) -> Tensor:
    """The latents of every thing's parts, the mean over the backgrounds that are learned from.

    things × LOOKS² × (styles · channels · SPAN²): a thing in the middle covers LOOKS × LOOKS cells.
    """
    vocabulary = world.vocabulary
    shape = len(vocabulary.things), len(vocabulary.styles)
    total, count = torch.zeros(*shape, CHANNELS, SIDE, SIDE), torch.zeros(*shape)
    for scene, latents in zip(world.scenes, world.latents, strict=True):
        if scene.free:
            total[scene.placed[0].thing, scene.style] += latents
            count[scene.placed[0].thing, scene.style] += 1
    edge = (SIDE - LOOKS * SPAN) // 2
    middle = (total / count[..., None, None, None])[..., edge : SIDE - edge, edge : SIDE - edge]
    cells = functional.unfold(middle.flatten(0, 1), SPAN, stride=SPAN).unflatten(0, shape)
    rows: Tensor = cells.permute(0, 3, 1, 2).flatten(2)
    return rows


def components(rows: Tensor, width: int) -> Tensor:
    """The first principal components (… × width), the later ones a little louder than they are."""
    flat = rows.flatten(0, -2)
    left, sizes, _ = torch.linalg.svd(flat - flat.mean(dim=0), full_matrices=False)
    made = left[:, :width] * sizes[:width].sqrt()
    scaled: Tensor = (made / made.std()).unflatten(0, rows.shape[:-1])
    return scaled


def show_looks(encoder: CLIPTextModelWithProjection, looks: Tensor) -> None:
    """Start the embeddings of the tokens for looks as what they stand for, and for which part.

    `looks`: as `parts` gives them.
    """
    table = encoder.get_input_embeddings().weight
    with torch.no_grad():
        rows = components(looks, table.shape[1]) + torch.randn(looks.shape[1], table.shape[1])
        table[-len(rows) * looks.shape[1] :] = rows.flatten(0, 1) * table.std()


class Reading(nn.Module):
    """The linear maps by which a text encoder is asked what it knows.

    Args:
        looks: as `parts` gives them.
    """

    looks: Tensor

    def __init__(self, vocabulary: Vocabulary, looks: Tensor) -> None:
        super().__init__()
        self.cell = nn.Linear(STATES_WIDTH, CHANNELS * SPAN**2)
        self.look = nn.Linear(STATES_WIDTH, CHANNELS * SPAN**2)
        shape = (-1, len(vocabulary.styles), CHANNELS * SPAN**2)
        self.register_buffer("looks", looks.reshape(shape), persistent=False)
        self.first_look = len(vocabulary.words) - len(self.looks)

    def loss(self, states: Tensor, tokens: Tensor, sample: Sample) -> Tensor:
        """Squared error of what is read of the cells and of the looks."""
        last = CONTEXT_LENGTH - len(CELL_TOKENS)
        cells = self.cell(states[:, last:CONTEXT_LENGTH]).transpose(1, 2).float()
        seen = functional.fold(cells, SIDE, kernel_size=SPAN, stride=SPAN)
        loss = functional.mse_loss(seen, sample.latents.to(seen.device))
        row, place = (tokens >= self.first_look).nonzero(as_tuple=True)
        style = torch.tensor([scene.style for scene in sample.scenes], device=tokens.device)
        true = self.looks[tokens[row, place] - self.first_look, style[row]]
        return loss + functional.mse_loss(self.look(states[row, place]).float(), true)


class Eye(nn.Module):
    """The text encoder, and linear readings of pictures' latents from what it says."""

    def __init__(self, vocabulary: Vocabulary, looks: Tensor) -> None:
        super().__init__()
        self.text_encoder = make_text_encoder(vocabulary)
        self.reading = Reading(vocabulary, looks)
        self.whole = nn.Linear(POOLED_WIDTH, CHANNELS * SIDE**2)

    def loss(self, tokens: Tensor, sample: Sample) -> Tensor:
        """Of all readings."""
        states, pooled = encode_text(self.text_encoder, tokens)
        whole = self.whole(pooled).unflatten(1, (CHANNELS, SIDE, SIDE)).float()
        rough = functional.mse_loss(whole, sample.latents.to(whole.device))
        return self.reading.loss(states, tokens, sample) + 0.3 * rough


def train(
    steps: int, batch: int, rate: float, device: str, seed: int
) -> CLIPTextModelWithProjection:
    """Train, or go on training; the result has averaged weights."""
    vocabulary = load_vocabulary()
    tokenizer = make_tokenizer(vocabulary)
    world = load_world(vocabulary, device)
    looks = parts(world)
    torch.manual_seed(seed)
    model = Eye(vocabulary, looks)
    show_looks(model.text_encoder, looks)
    model.to(device)
    loop = Loop("text", model, steps, rate, average_over=max(1, steps // 20), seed=seed)
    for _ in loop:
        sample = world.draw(batch, loop.generator, empty=0.02)
        with torch.autocast(device, torch.bfloat16):
            loss = model.loss(tokenize(tokenizer, sample.captions).to(device), sample)
        loop.descend(loss)
    text_encoder: CLIPTextModelWithProjection = loop.average.text_encoder
    return text_encoder


def main() -> None:
    """Train the text encoder by itself."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    train(given.steps, given.batch, given.rate, given.device, given.seed)


if __name__ == "__main__":
    main()
