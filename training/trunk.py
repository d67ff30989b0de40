"""The trunk: rectified flow on the latents of the world at 128 × 128. Both tiers start from it.

python -m training.trunk --steps 8600
"""

from __future__ import annotations

import argparse
from functools import partial

import torch
from diffusers import SD3Transformer2DModel
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional

from training.denoiser import flow_loss, lesson, make_denoiser
from training.latents import SIDE, Sample, load_world
from training.loop import RUNS, Loop
from training.pipeline import Denoiser, tokenize
from training.text import Reading, parts
from training.vocabulary import (
    CELL_TOKENS,
    CELLS,
    CONTEXT_LENGTH,
    LOOKS,
    load_vocabulary,
    make_tokenizer,
)

GUIDED = 400
"""First steps, in which attention is shown where to look."""
READING = 0.1
"""Weight of what the text encoder goes on learning by itself: the looks of things, see `text`."""


def noise_levels(count: int, generator: torch.Generator) -> Tensor:
    """Noise levels to train on (count, in 0..1).

    A quarter of them next to pure noise, where nothing but the prompt says what to draw; most of
    the others from the middle, where shapes and then details are settled.
    """
    even = torch.rand(count, generator=generator)
    middle = torch.sigmoid(0.3 + torch.randn(count, generator=generator))
    chance = torch.rand(count, generator=generator)
    return torch.where(chance < 0.25, 0.8 + 0.2 * even, torch.where(chance < 0.45, even, middle))


class Pupil(nn.Module):
    """The denoiser with the maps by which its text encoder is asked what things look like."""

    def __init__(self, denoiser: Denoiser, reading: Reading) -> None:
        super().__init__()
        self.denoiser, self.reading = denoiser, reading


def where_to_look(sample: Sample, tokens: Tensor, first_look: int) -> Tensor:
    """For every patch of every picture, the place in the prompt of the token for what is there.

    Six × n × patches, -1 where there is none. The token of the patch's own cell of the canvas.
    That of the part of the thing that covers the patch's middle. And the same once for each
    quarter of a part: for patches that lie in another quarter the last token, which says nothing
    of it.
    """
    side = SIDE // 2
    row, column = torch.arange(side**2) // side, torch.arange(side**2) % side
    cells = row * CELLS // side * CELLS + column * CELLS // side
    own = cells + CONTEXT_LENGTH - len(CELL_TOKENS)
    parts = torch.full((len(tokens), side**2), -1)
    quarters = torch.full((4, len(tokens), side**2), CONTEXT_LENGTH - 1)
    for i, scene in enumerate(sample.scenes):
        for placed in scene.placed:
            found = (tokens[i] == first_look + placed.thing * LOOKS**2).nonzero()
            if not len(found):
                continue
            # In halves of a part, from the thing's corner.
            x, y = (
                (((axis + 0.5) / side - middle) / placed.size + 0.5) * 2 * LOOKS
                for axis, middle in ((column, placed.x), (row, placed.y))
            )
            inside = (x.minimum(y) >= 0) & (x.maximum(y) < 2 * LOOKS)
            x, y = x.long(), y.long()
            where = found[0] + y // 2 * LOOKS + x // 2
            parts[i] = torch.where(inside, where, parts[i])
            for quarter in range(4):
                here = inside & (y % 2 * 2 + x % 2 == quarter)
                quarters[quarter, i] = torch.where(here, where, quarters[quarter, i])
    return torch.cat([torch.stack([own.expand_as(parts), parts]), quarters])


class Guide:
    """Shows the patches of the picture where to look: at the tokens for their cell and their part.

    Left to itself attention takes thousands of steps to find that out; told, a hundred. In every
    second block two heads look at the cell and at the part. In the others each of the four heads
    serves the patches of one quarter of a part: what it brings is the same for all of them, a
    linear map of the token, so that to copy is easily learned. While the guide is open, `loss` is
    the cross entropy of what the heads look at among the text, from the last call of the
    transformer.
    """

    HEADS = 2, 4

    def __init__(self, transformer: SD3Transformer2DModel) -> None:
        self._looks: list[Tensor] = []
        self._hooks = [
            block.attn.register_forward_pre_hook(
                partial(self._look, self.HEADS[i % 2]), with_kwargs=True
            )
            for i, block in enumerate(transformer.transformer_blocks)
        ]

    def _look(self, heads: int, attention: Attention, _: object, given: dict[str, Tensor]) -> None:
        width = heads * attention.inner_dim // attention.heads
        asks, holds = attention.to_q, attention.add_k_proj
        queries = functional.linear(given["hidden_states"], asks.weight[:width], asks.bias[:width])
        keys = functional.linear(
            given["encoder_hidden_states"][:, :CONTEXT_LENGTH],
            holds.weight[:width],
            holds.bias[:width],
        )
        queries, keys = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (queries, keys))
        # n × heads × patches × text
        self._looks.append((queries @ keys.transpose(-1, -2) * attention.scale).float())

    def loss(self, where: Tensor) -> Tensor:
        """Mean over the blocks; `where`: as `where_to_look` gives it."""
        looks, self._looks = self._looks, []
        where = where.transpose(0, 1).to(looks[0].device)
        targets = where[:, : self.HEADS[0]], where[:, self.HEADS[0] :]
        losses = [
            functional.cross_entropy(each.flatten(0, 2), targets[i % 2].flatten(), ignore_index=-1)
            for i, each in enumerate(looks)
        ]
        return torch.stack(losses).mean()

    def close(self) -> None:
        """From now on the patches look where they like."""
        for hook in self._hooks:
            hook.remove()


def train(steps: int, batch: int, rate: float, device: str, seed: int) -> Denoiser:
    """Train the trunk, or go on training; the result has averaged weights."""
    vocabulary = load_vocabulary()
    tokenizer = make_tokenizer(vocabulary)
    world = load_world(vocabulary, device)
    looks = parts(world)
    torch.manual_seed(seed)
    model, reading = make_denoiser(vocabulary), Reading(vocabulary, looks)
    stored = torch.load(RUNS / "text" / "checkpoint.pt", weights_only=True)["average"]
    for part, name in ((model.text_encoder, "text_encoder."), (reading, "reading.")):
        part.load_state_dict(
            {key.removeprefix(name): stored[key] for key in stored if key.startswith(name)}
        )
    pupil = Pupil(model, reading).to(device).train()
    loop = Loop("trunk", pupil, steps, rate, average_over=min(1000, max(1, steps // 8)), seed=seed)
    guide = Guide(model.transformer)
    for step in loop:
        if step == max(loop.first, GUIDED):
            guide.close()
            # A minute or more to compile, then up to twice the pictures a second on a CPU.
            model.transformer.compile()
        sample = world.draw(batch, loop.generator)
        tokens = tokenize(tokenizer, sample.captions)
        sigma = noise_levels(batch, loop.generator)
        noise = torch.randn(sample.latents.shape, generator=loop.generator)
        noisy = sample.latents.lerp(noise, sigma.view(-1, 1, 1, 1))
        with lesson(device):
            text = model.encode(tokens.to(device))
            velocity = model(noisy.to(device), sigma.to(device), text).float()
            read = reading.loss(text[0], tokens.to(device), sample)
        loss = flow_loss(velocity, (noise - sample.latents).to(device)) + READING * read
        if step < GUIDED:
            loss = loss + 0.1 * guide.loss(where_to_look(sample, tokens, reading.first_look))
        loop.descend(loss)
    average: Pupil = loop.average  # type: ignore[assignment]
    return average.denoiser


def main() -> None:
    """Train the trunk."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--steps", type=int, default=8600)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=8e-4)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    train(given.steps, given.batch, given.rate, given.device, given.seed)


if __name__ == "__main__":
    main()
