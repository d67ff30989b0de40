"""The autoencoders of Lite and Full: one latent space, seen at two sizes.

    python -m training.autoencoder --steps 4500              Lite's: 8 × 8 pixels to 16 numbers
    python -m training.autoencoder --double --steps 1500     Full's: 16 × 16 pixels to the same 16

The latents of a picture at 128 × 128 mean the same picture at 256 × 256 to Full: a draft may
travel as either, and what a denoiser learns for the one holds for the other.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from PIL import Image
from torch import Tensor
from torch.nn import functional

from training.data import SIZE, Pictures, backdrops, compose, load_pictures
from training.loop import RUNS, Loop
from training.vocabulary import load_vocabulary

FACTOR = 8
CHANNELS = 16
CROP = 64
NOISE = 0.08
"""Noise on the latents in training, so that the decoder forgives what a denoiser leaves."""


def make_autoencoder() -> AutoencoderTiny:
    """Lite's. Most of the work sits at low resolution, where it is cheap, and in the decoder."""
    return AutoencoderTiny(
        encoder_block_out_channels=(32, 32, 32, 32),
        decoder_block_out_channels=(64, 64, 64, 64),
        num_encoder_blocks=(0, 2, 3, 3),
        num_decoder_blocks=(3, 3, 1, 0),
        latent_channels=CHANNELS,
    )


def make_double(single: AutoencoderTiny) -> AutoencoderTiny:
    """Full's, with another stage at the picture's end of both halves, the rest as in Lite's."""
    double = AutoencoderTiny(
        encoder_block_out_channels=(32, 32, 32, 32, 32),
        decoder_block_out_channels=(64, 64, 64, 64, 64),
        num_encoder_blocks=(0, 0, 2, 3, 3),
        num_decoder_blocks=(3, 3, 1, 1, 0),
        latent_channels=CHANNELS,
    )
    # The encoder counts its layers from the picture, the decoder from the latents.
    inner = [*single.encoder.layers][2:], [*single.decoder.layers][:-1]
    outer = [*double.encoder.layers][-len(inner[0]) :], [*double.decoder.layers][: len(inner[1])]
    for known, fresh in zip(inner, outer, strict=True):
        for source, target in zip(known, fresh, strict=True):
            target.load_state_dict(source.state_dict())
    return double


def crops(
    pictures: Pictures, lights: Tensor, count: int, side: int, generator: torch.Generator
) -> Tensor:
    """Random windows of random pictures at both sizes the models work at: count × 3 × side².

    Half are cut from the full size, half from pictures of half the size, if these are large enough.
    """
    things, styles = pictures.rgba.shape[:2]
    rows = []
    for i in range(count):
        window = side if i % 2 or 2 * side > SIZE else 2 * side
        draw = torch.randint(1 << 30, (6,), generator=generator).tolist()
        top = draw[0] % (SIZE - window + 1) if window < SIZE else 0
        left = draw[1] % (SIZE - window + 1) if window < SIZE else 0
        place = (..., slice(top, top + window), slice(left, left + window))
        cut = pictures.rgba[draw[2] % things, draw[3] % styles][place]
        row = compose(cut[None], lights[draw[4] % len(lights)][place][None])
        row = row.flip(-1) if draw[5] % 2 else row
        rows.append(row if window == side else functional.avg_pool2d(row, 2))
    return torch.cat(rows)


def differences(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Differences of neighbours along x and y: where edges are."""
    return pictures.diff(dim=-1), pictures.diff(dim=-2)


def reconstruction_loss(made: Tensor, true: Tensor) -> Tensor:
    """Absolute error of pixels and of edges; blur is what edges punish."""
    loss = functional.l1_loss(made, true)
    for a, b in zip(differences(made), differences(true), strict=True):
        loss = loss + functional.l1_loss(a, b)
    return loss


def calm(latents: Tensor) -> Tensor:
    """Pull every latent channel to mean 0 and deviation 1, the scale a denoiser expects."""
    mean, deviation = latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3))
    return mean.square().mean() + (deviation - 1).square().mean()


def train(steps: int, batch: int, device: str, seed: int) -> None:
    """Train Lite's autoencoder, or go on training."""
    vocabulary = load_vocabulary()
    pictures, lights = load_pictures(vocabulary), backdrops(vocabulary).flatten(0, 1)
    torch.manual_seed(seed)
    model = make_autoencoder().to(device, memory_format=torch.channels_last)
    loop = Loop("autoencoder", model, steps, 2e-3, average_over=min(300, steps // 5), seed=seed)
    for step in loop:
        # The last sixth sees whole drafts, so that borders and flat areas are right too.
        whole = step > steps * 5 // 6
        side, count = (2 * CROP, max(1, batch // 4)) if whole else (CROP, batch)
        true = crops(pictures, lights, count, side, loop.generator).to(device)
        true = true.to(memory_format=torch.channels_last)
        with torch.autocast(device, torch.bfloat16):
            latents = model.encode(true).latents
            noisy = latents + NOISE * torch.randn_like(latents)
            made = model.decode(noisy).sample
        loss = reconstruction_loss(made.float(), true) + 0.01 * calm(latents.float())
        loop.descend(loss)
        if step % 300 == 299:
            sheet(loop.average, pictures, lights, SIZE // 2, loop.folder / "sheet.png")
    sheet(loop.average, pictures, lights, SIZE // 2, loop.folder / "sheet.png")


def train_double(steps: int, batch: int, device: str, seed: int) -> None:
    """Train Full's autoencoder, or go on training: to Lite's latents, and to twice the pixels."""
    vocabulary = load_vocabulary()
    pictures, lights = load_pictures(vocabulary), backdrops(vocabulary).flatten(0, 1)
    torch.manual_seed(seed)
    single = load_autoencoder().to(device, memory_format=torch.channels_last)
    model = make_double(single).to(device, memory_format=torch.channels_last)
    loop = Loop("double", model, steps, 1e-3, average_over=min(300, steps // 5), seed=seed)
    for step in loop:
        whole = step > steps * 5 // 6
        side, count = (SIZE, max(1, batch // 4)) if whole else (2 * CROP, batch)
        true = crops(pictures, lights, count, side, loop.generator).to(device)
        true = true.to(memory_format=torch.channels_last)
        with torch.autocast(device, torch.bfloat16):
            with torch.no_grad():
                meant = single.encode(functional.avg_pool2d(true, 2)).latents
            latents = model.encode(true).latents
            made = model.decode(meant + NOISE * torch.randn_like(meant)).sample
        loss = reconstruction_loss(made.float(), true)
        loop.descend(loss + functional.mse_loss(latents.float(), meant.float()))
        if step % 300 == 299:
            sheet(loop.average, pictures, lights, SIZE, loop.folder / "sheet.png")
    sheet(loop.average, pictures, lights, SIZE, loop.folder / "sheet.png")


def load_autoencoder() -> AutoencoderTiny:
    """Lite's trained autoencoder with averaged weights."""
    return _load(make_autoencoder(), "autoencoder")


def load_double() -> AutoencoderTiny:
    """Full's trained autoencoder with averaged weights."""
    return _load(make_double(make_autoencoder()), "double")


def _load(model: AutoencoderTiny, run: str) -> AutoencoderTiny:
    model.load_state_dict(torch.load(RUNS / run / "checkpoint.pt", weights_only=True)["average"])
    model.requires_grad_(False).eval()
    return model


@torch.no_grad()
def sheet(
    model: torch.nn.Module, pictures: Pictures, lights: Tensor, side: int, path: Path
) -> None:
    """True pictures of `side` pixels, and below them what the autoencoder leaves of them."""
    device = next(model.parameters()).device
    things = torch.arange(0, len(pictures.rgba), len(pictures.rgba) // 8)[:8]
    styles = torch.arange(8) % pictures.rgba.shape[1]
    true = compose(pictures.rgba[things, styles], lights[torch.arange(8) % len(lights)])
    true = functional.interpolate(true, size=side, mode="area")
    latents = model.encode(true.to(device)).latents  # type: ignore[operator]
    made = model.decode(latents).sample.cpu()  # type: ignore[operator]
    grid = torch.stack([true, made]).permute(0, 3, 1, 4, 2).reshape(2 * side, 8 * side, 3)
    pixels = ((grid + 1) * 127.5).round().clamp(0, 255).byte().numpy()
    Image.fromarray(pixels).save(path)


def main() -> None:
    """Train one of the two autoencoders."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--double", action="store_true", help="Full's; Lite's must be there")
    parser.add_argument("--steps", type=int, default=4500)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    lesson = train_double if given.double else train
    lesson(given.steps, given.batch, given.device, given.seed)


if __name__ == "__main__":
    main()
