"""The trunk: rectified flow on the latents of the world at 128 × 128. Both tiers start from it.

python -m training.trunk --steps 14000
"""

from __future__ import annotations

import argparse

import torch
from diffusers import SD3Transformer2DModel
from diffusers.models.attention_processor import Attention
from torch import Tensor
from torch.nn import functional

from training.denoiser import flow_loss, make_denoiser, velocity_of
from training.latents import load_world
from training.loop import RUNS, Loop
from training.pipeline import Denoiser, tokenize
from training.vocabulary import (
    CELL_TOKENS,
    CELLS,
    CONTEXT_LENGTH,
    load_vocabulary,
    make_tokenizer,
)

SIDE = 16
"""Of the latents of a 128 × 128 picture."""
GUIDED = 150
"""First steps, in which attention is shown where to look."""


def noise_levels(count: int, generator: torch.Generator) -> Tensor:
    """Noise levels to train on (count, in 0..1).

    Two fifths of them next to pure noise, where nothing but the prompt says what to draw: it is
    learned slowest. The others from everywhere, the upper middle most.
    """
    even = torch.rand(count, generator=generator)
    middle = torch.sigmoid(0.6 + torch.randn(count, generator=generator))
    chance = torch.rand(count, generator=generator)
    return torch.where(chance < 0.4, 0.8 + 0.2 * even, torch.where(chance < 0.5, even, middle))


class Guide:
    """Shows the patches of the picture where to look: at the text token of their own cell.

    Left to itself attention takes thousands of steps to find that out; told, a hundred. While it
    is open, `loss` is the cross entropy of what the first heads of every block look at among the
    cells, from the last call of the transformer.
    """

    HEADS = 2

    def __init__(self, transformer: SD3Transformer2DModel) -> None:
        self._losses: list[Tensor] = []
        side = SIDE // 2
        row, column = torch.arange(side**2) // side, torch.arange(side**2) % side
        self._cells = row * CELLS // side * CELLS + column * CELLS // side
        self._hooks = [
            block.attn.register_forward_pre_hook(self._look, with_kwargs=True)
            for block in transformer.transformer_blocks
        ]

    def _look(self, attention: Attention, _: object, given: dict[str, Tensor]) -> None:
        width = self.HEADS * attention.inner_dim // attention.heads
        last = CONTEXT_LENGTH - len(CELL_TOKENS)
        asks, holds = attention.to_q, attention.add_k_proj
        queries = functional.linear(given["hidden_states"], asks.weight[:width], asks.bias[:width])
        keys = functional.linear(
            given["encoder_hidden_states"][:, last:CONTEXT_LENGTH],
            holds.weight[:width],
            holds.bias[:width],
        )
        queries, keys = (x.unflatten(-1, (self.HEADS, -1)).transpose(1, 2) for x in (queries, keys))
        looks = (queries @ keys.transpose(-1, -2) * attention.scale).float().flatten(0, 1)
        self._losses.append(
            functional.cross_entropy(looks.flatten(0, 1), self._cells.repeat(len(looks)))
        )

    @property
    def loss(self) -> Tensor:
        """Mean over the blocks."""
        losses, self._losses = self._losses, []
        return torch.stack(losses).mean()

    def close(self) -> None:
        """From now on the patches look where they like."""
        for hook in self._hooks:
            hook.remove()


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
    guide = Guide(model.transformer)
    for step in loop:
        if step == max(loop.first, GUIDED):
            guide.close()
            # A minute or more to compile, then up to twice the pictures a second on a CPU.
            model.transformer.compile()
        true, captions = world.draw(batch, loop.generator)
        sigma = noise_levels(batch, loop.generator)
        noise = torch.randn(true.shape, generator=loop.generator)
        noisy = true.lerp(noise, sigma.view(-1, 1, 1, 1))
        velocity = velocity_of(model, noisy, sigma, tokenize(tokenizer, captions))
        loss = flow_loss(velocity, (noise - true).to(device))
        loop.descend(loss if step >= GUIDED else loss + 0.1 * guide.loss)
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
