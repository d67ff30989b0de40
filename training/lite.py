"""Lite: the trunk taught to arrive in four steps, with the guidance built in.

    python -m training.lite --trajectories 3000 --steps 1800

A guided teacher walks many small steps from noise to picture. The student learns to cover each
quarter of the way at once and without guidance. It has a block less than the teacher: the one
that is missed least.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm
from transformers import PreTrainedTokenizerFast

from training.data import CACHE
from training.denoiser import lesson, load_denoiser, without_block
from training.latents import World, load_world
from training.loop import Loop
from training.pipeline import LITE_STEPS, Denoiser, tokenize
from training.vocabulary import load_vocabulary, make_tokenizer

SUBSTEPS = 3
"""Steps of the teacher for one of the student."""
BATCH = 16


@torch.no_grad()
def walk(
    teacher: Denoiser, noise: Tensor, tokens: Tensor, empty: Tensor, guidance: float
) -> Tensor:
    """The guided way from noise to picture: (LITE_STEPS + 1) × n × channels × side × side.

    Only the places where the student will stop are kept.
    """
    nodes = torch.linspace(1, 0, LITE_STEPS * SUBSTEPS + 1).tolist()
    count = len(noise)
    text = teacher.encode(torch.cat([empty.expand(count, -1), tokens]))
    latents, kept = noise, [noise]
    for i, (here, there) in enumerate(itertools.pairwise(nodes), start=1):
        sigma = latents.new_full((2 * count,), here)
        plain, prompted = teacher(latents.repeat(2, 1, 1, 1), sigma, text).float().chunk(2)
        latents = latents + (there - here) * (plain + guidance * (prompted - plain))
        if i % SUBSTEPS == 0:
            kept.append(latents)
    return torch.stack(kept)


def trajectories(
    teacher: Denoiser,
    world: World,
    tokenizer: PreTrainedTokenizerFast,
    count: int,
    guidance: float,
    seed: int,
    path: Path,
) -> tuple[Tensor, Tensor]:
    """Ways (LITE_STEPS + 1 × count × …, float16) and their tokens; made once, then read back."""
    if path.exists():
        stored = torch.load(path, weights_only=True)
        return stored["ways"], stored["tokens"]
    device = next(teacher.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    empty = tokenize(tokenizer, [""]).to(device)
    ways, tokens = [], []
    for _ in tqdm(range(count // BATCH), desc="teacher", mininterval=15):
        sample = world.draw(BATCH, generator)
        ids = tokenize(tokenizer, sample.captions)
        noise = torch.randn(sample.latents.shape, generator=generator).to(device)
        with lesson(device.type):
            ways.append(walk(teacher, noise, ids.to(device), empty, guidance).half().cpu())
        tokens.append(ids)
    stored = {"ways": torch.cat(ways, dim=1), "tokens": torch.cat(tokens)}
    torch.save(stored, path)
    return stored["ways"], stored["tokens"]


@torch.no_grad()
def least_needed(teacher: Denoiser, starts: Tensor, tokens: Tensor) -> int:
    """The block between the first and the last whose absence changes the velocity least.

    `starts`: places on the teacher's ways, LITE_STEPS × n × channels × side × side.
    """
    count = starts.shape[1]
    sigma = torch.linspace(1, 0, LITE_STEPS + 1)[:-1].repeat_interleave(count)
    states, pooled = teacher.encode(tokens.repeat(len(starts), 1))

    def velocity(skipped: list[int]) -> Tensor:
        made: Tensor = teacher.transformer(
            hidden_states=starts.flatten(0, 1),
            encoder_hidden_states=states,
            pooled_projections=pooled,
            timestep=sigma * 1000,
            skip_layers=skipped,
            return_dict=False,
        )[0]
        return made

    true = velocity([])
    inner = range(1, len(teacher.transformer.transformer_blocks) - 1)
    losses = {index: functional.mse_loss(velocity([index]), true).item() for index in inner}
    print({index: round(loss, 4) for index, loss in losses.items()})
    return min(losses, key=losses.__getitem__)


def train(count: int, guidance: float, steps: int, rate: float, device: str, seed: int) -> Denoiser:
    """Distil, or go on distilling; the result has averaged weights."""
    vocabulary = load_vocabulary()
    tokenizer = make_tokenizer(vocabulary)
    world = load_world(vocabulary, device)
    teacher = load_denoiser(vocabulary, "trunk").to(device)
    ways, tokens = trajectories(
        teacher, world, tokenizer, count, guidance, seed, CACHE / "trajectories.pt"
    )
    torch.manual_seed(seed)
    spare = least_needed(teacher.cpu(), ways[:LITE_STEPS, :16].float(), tokens[:16])
    model = without_block(vocabulary, teacher, spare).to(device)
    model.requires_grad_(True).train()
    # Both tiers share the text encoder as it is.
    model.text_encoder.requires_grad_(False)
    nodes = torch.linspace(1, 0, LITE_STEPS + 1)
    loop = Loop("lite", model, steps, rate, average_over=max(1, steps // 8), seed=seed)
    for _ in loop:
        which = torch.randint(ways.shape[1], (BATCH,), generator=loop.generator)
        leg = torch.randint(LITE_STEPS, (BATCH,), generator=loop.generator)
        start, end = ways[leg, which].float(), ways[leg + 1, which].float()
        span = (nodes[leg + 1] - nodes[leg]).view(-1, 1, 1, 1)
        with lesson(device):
            text = model.encode(tokens[which].to(device))
            velocity = model(start.to(device), nodes[leg].to(device), text)
            loss = functional.mse_loss(velocity.float(), ((end - start) / span).to(device))
        loop.descend(loss)
    average: Denoiser = loop.average  # type: ignore[assignment]
    return average


def main() -> None:
    """Distil the trunk into Lite."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--trajectories", type=int, default=3000)
    parser.add_argument("--guidance", type=float, default=2.5)
    parser.add_argument("--steps", type=int, default=1800)
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    train(given.trajectories, given.guidance, given.steps, given.rate, given.device, given.seed)


if __name__ == "__main__":
    main()
