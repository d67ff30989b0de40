"""The autoencoder of the second generation: 8 × 8 pixels to 16 numbers and back, at any size.

    python -m training.second.detail --steps 12000

One for both tiers: 128 × 128 is 16 × 16 × 16 to Lite and 512 × 512 is 64 × 64 × 16 to Full. The
first generation's Full had 16 × 16 × 16 for 256 × 256, and true pictures sent through it came back
with a third of their edge energy. A critic of patches tells soft edges from true ones.

It starts from an autoencoder that is there (`--start`, the shipped Lite's if nothing is said), for
what it knows of edges holds at any size; `--start none` begins from nothing.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from diffusers.models.autoencoders.vae import AutoencoderTinyBlock
from PIL import Image
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from training.autoencoder import CHANNELS, NOISE, calm, differences
from training.evaluate.sharpness import sharpness
from training.export import LITE
from training.loop import Loop
from training.second.drawings import Drawings, load_drawings
from training.second.paint import paint
from training.second.scene import ask, draw
from training.second.words import load_words

SIDE = 512
CROP = 128
SIZES = (512, 512, 256, 128)
"""At which pictures are seen, one after the other."""
ENCODER, DECODER = (0, 2, 3, 3), (4, 4, 2, 0)
"""Blocks of every stage, from the picture to the latents and back."""
CHECK_EVERY = 250
WINDOWS = 3
"""Out of so many random windows of a scene the one with most edges is shown."""
WARM = 0.15
"""Share of the steps before the critic is heard: first it must have learned something."""
CRITIC, LIKENESS = 0.02, 0.4
"""Weights of passing for true, and of looking alike in what the critic sees."""


def make_detail() -> AutoencoderTiny:
    """Untrained."""
    return AutoencoderTiny(
        encoder_block_out_channels=(32,) * 4,
        decoder_block_out_channels=(64,) * 4,
        num_encoder_blocks=ENCODER,
        num_decoder_blocks=DECODER,
        latent_channels=CHANNELS,
    )


def grown(known: AutoencoderTiny) -> AutoencoderTiny:
    """One with this module's blocks that does just what `known` does, which has fewer of them.

    A block after a block sees nothing below 0; with its last convolution silent it passes that on.
    """
    model = make_detail()
    model.encoder.load_state_dict(known.encoder.state_dict())
    sources = [*known.decoder.layers]
    place = 0
    for layer in model.decoder.layers:
        source = sources[place] if place < len(sources) else None
        if source is not None and type(layer) is type(source):
            layer.load_state_dict(source.state_dict())
            place += 1
        elif isinstance(layer, AutoencoderTinyBlock):
            for parameter in layer.conv[-1].parameters():
                nn.init.zeros_(parameter)
        else:
            raise ValueError("the decoder to start from has other stages than this one")
    if place < len(sources):
        raise ValueError("the decoder to start from has more blocks than this one")
    return model


class Critic(nn.Module):
    """Says of every patch of a picture how true it looks; sees some 30 pixels around each."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            [
                nn.Conv2d(3, width, 3, 1, 1),
                nn.Conv2d(width, 2 * width, 4, 2, 1),
                nn.Conv2d(2 * width, 2 * width, 4, 2, 1),
            ]
        )
        self.verdict = nn.Conv2d(2 * width, 1, 3, 1, 1)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """What every stage sees, and last the verdicts."""
        seen = [pictures]
        for stage in self.stages:
            seen.append(functional.leaky_relu(stage(seen[-1]), 0.2))
        return [*seen[1:], self.verdict(seen[-1])]


class Pair(nn.Module):
    """The autoencoder and its critic, in one checkpoint."""

    def __init__(self, autoencoder: AutoencoderTiny) -> None:
        super().__init__()
        self.autoencoder, self.critic = autoencoder, Critic()


def lessons(drawings: Drawings, count: int, crop: int, rng: random.Random) -> Tensor:
    """Windows of fresh scenes: count × 3 × crop²."""
    rows: list[Tensor] = []
    for i in range(count):
        side = max(SIZES[i % len(SIZES)], crop)
        picture = paint(drawings, draw(drawings, ask(drawings, rng), rng), side)
        windows = []
        for _ in range(WINDOWS):
            top, left = (rng.randrange(side - crop + 1) for _ in range(2))
            windows.append(picture[:, top : top + crop, left : left + crop])
        edges = [window.diff(dim=-1).abs().mean().item() for window in windows]
        rows.append(windows[edges.index(max(edges))])
    return torch.stack(rows)


def likeness(made: Tensor, true: Tensor) -> Tensor:
    """Absolute error of pixels and of edges, the edges at two sizes."""
    loss = functional.l1_loss(made, true)
    for _ in range(2):
        for some, other in zip(differences(made), differences(true), strict=True):
            loss = loss + functional.l1_loss(some, other)
        made, true = functional.avg_pool2d(made, 2), functional.avg_pool2d(true, 2)
    return loss


def losses(pair: Pair, true: Tensor, heard: float, device: str) -> tuple[Tensor, Tensor]:
    """The whole loss, and the likeness alone. `heard`: how much of the critic counts, 0 to 1."""
    with torch.autocast(device, torch.bfloat16):
        latents = pair.autoencoder.encode(true).latents
        noisy = latents + NOISE * torch.rand(len(true), 1, 1, 1, device=device) * torch.randn_like(
            latents
        )
        made = pair.autoencoder.decode(noisy).sample
        alike = likeness(made.float(), true)
        loss = alike + 0.01 * calm(latents.float())
        # The critic learns to tell the two apart (hinge) ...
        real, fake = pair.critic(true), pair.critic(made.detach())
        loss = loss + functional.relu(1 - real[-1]).mean() + functional.relu(1 + fake[-1]).mean()
        if heard:
            # ... and the autoencoder, by a critic that does not learn meanwhile, to be told true.
            frozen = {name: value.detach() for name, value in pair.critic.named_parameters()}
            seen = functional_call(pair.critic, frozen, made)
            looks = [
                functional.l1_loss(some, other.detach()) / other.detach().abs().mean()
                for some, other in zip(seen[:-1], real[:-1], strict=True)
            ]
            fooled = -seen[-1].mean()
            loss = loss + heard * (CRITIC * fooled + LIKENESS * 0.1 * torch.stack(looks).mean())
    return loss, alike


def train(
    drawings: Drawings,
    start: AutoencoderTiny | None,
    steps: int,
    batch: int,
    rate: float,
    device: str,
    seed: int,
    crop: int = CROP,
) -> AutoencoderTiny:
    """Train, or go on training; the result has averaged weights."""
    torch.manual_seed(seed)
    pair = Pair(grown(start) if start is not None else make_detail())
    pair.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    loop = Loop("detail", pair, steps, rate, average_over=max(1, min(300, steps // 5)), seed=seed)
    shown = random.Random(seed + 1)
    samples = [paint(drawings, draw(drawings, ask(drawings, shown), shown), SIDE) for _ in range(8)]
    for step in loop:
        rng = random.Random(int(torch.randint(1 << 31, (1,), generator=loop.generator)))
        true = lessons(drawings, batch, crop, rng).to(device, memory_format=torch.channels_last)
        heard = min(1.0, max(0.0, (step - WARM * steps) / (WARM * steps)))
        loss, alike = losses(pair, true, heard, device)
        loop.descend(loss)
        loop.losses[-1] = alike.item()  # the critic's part goes up and down with its opponent
        if step % CHECK_EVERY == CHECK_EVERY - 1:
            record = {"step": step + 1, **check(loop.average.autoencoder, samples)}
            with (loop.folder / "checks.jsonl").open("a") as log:
                log.write(json.dumps(record) + "\n")
            sheet(loop.average.autoencoder, samples, loop.folder / "sheet.png")
    sheet(loop.average.autoencoder, samples, loop.folder / "sheet.png")
    average: Pair = loop.average  # type: ignore[assignment]
    return average.autoencoder


@torch.no_grad()
def coded(model: AutoencoderTiny, picture: Tensor) -> Tensor:
    """What the autoencoder leaves of a picture, 3 × h × w."""
    device = next(model.parameters()).device
    made: Tensor = model.decode(model.encode(picture[None].to(device)).latents).sample
    return made[0].float().clamp(-1, 1).cpu()


def check(model: AutoencoderTiny, samples: list[Tensor]) -> dict[str, float]:
    """Absolute error and sharpness beside the truth, for every size at which pictures are seen."""
    found = {}
    for side in sorted(set(SIZES)):
        true = [functional.interpolate(one[None], size=side, mode="area") for one in samples]
        made = [coded(model, one[0])[None] for one in true]
        known, ours = sharpness(true, side), sharpness(made, side)
        pairs = zip(made, true, strict=True)
        found[f"error {side}"] = sum(functional.l1_loss(a, b).item() for a, b in pairs) / len(true)
        found[f"energy {side}"] = ours.energy / known.energy
        found[f"steep {side}"] = ours.steep / known.steep
    return {name: round(value, 4) for name, value in found.items()}


def sheet(model: AutoencoderTiny, samples: list[Tensor], path: Path) -> None:
    """True pictures, and below them what the autoencoder leaves of them."""
    columns = [torch.cat([true, coded(model, true)], dim=1) for true in samples]
    page = torch.cat(columns, dim=2).permute(1, 2, 0)
    Image.fromarray(((page + 1) * 127.5).round().byte().numpy()).save(path)


def load_start(directory: str) -> AutoencoderTiny | None:
    """The autoencoder of a pipeline directory; of none, none."""
    if directory == "none":
        return None
    loaded: AutoencoderTiny = AutoencoderTiny.from_pretrained(
        Path(directory) / "vae", use_safetensors=True, torch_dtype=torch.float32
    )
    return loaded


def main() -> None:
    """Train the autoencoder of the second generation, or go on training."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--start", default=str(LITE), help='a pipeline directory, or "none"')
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--threads", type=int, default=0, help="of the CPU; 0: as torch chooses")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    drawings, start = load_drawings(load_words()), load_start(given.start)
    train(drawings, start, given.steps, given.batch, given.rate, given.device, given.seed)


if __name__ == "__main__":
    main()
