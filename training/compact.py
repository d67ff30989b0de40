"""Lite made smaller and faster: what precision and pruning cost, measured side by side.

    python -m training.compact --prompts 120

Every variant draws the same prompts from the same noise; their times are taken turn by turn, so
that a busy machine disturbs all alike. Prints a table and writes `sheets/compact.json`.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import statistics
import time
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from tqdm import tqdm

from training.autoencoder import load_autoencoder
from training.denoiser import load_denoiser, without_block
from training.evaluate.prompts import Asked, ask
from training.judge import judge, load_judge
from training.pipeline import LITE_STEPS, Denoiser, tokenize
from training.sheet import SHEETS
from training.vocabulary import Vocabulary, load_vocabulary, make_tokenizer

SIDE = 16
"""Of a draft's latents."""


class Variant:
    """A denoiser in one precision, and the bytes that its weights take."""

    def __init__(self, name: str, model: Denoiser, dtype: torch.dtype) -> None:
        self.name, self.dtype = name, dtype
        self.seconds: list[float] = []
        self.latents: list[Tensor] = []
        if dtype is torch.qint8:
            self.bytes = sum(
                p.numel() * (1 if p.ndim == 2 else 4) for p in model.transformer.parameters()
            )
            with warnings.catch_warnings():
                # Deprecated for torchao, which has no faster kernel for these shapes.
                warnings.simplefilter("ignore")
                model = torch.ao.quantization.quantize_dynamic(
                    copy.deepcopy(model), {nn.Linear}, dtype=torch.qint8
                )
            self.model, self.compute = model, torch.float32
        else:
            self.model, self.compute = copy.deepcopy(model).to(dtype), dtype
            self.bytes = sum(p.numel() for p in model.transformer.parameters()) * dtype.itemsize

    @torch.no_grad()
    def draw(self, tokens: Tensor, noise: Tensor) -> None:
        """One draft's latents, and the seconds they took."""
        started = time.perf_counter()
        text = tuple(part.to(self.compute) for part in self.model.encode(tokens))
        latents = noise
        nodes = torch.linspace(1, 0, LITE_STEPS + 1).tolist()
        for here, there in itertools.pairwise(nodes):
            sigma = noise.new_full((len(noise),), here, dtype=self.compute)
            velocity = self.model(latents.to(self.compute), sigma, (text[0], text[1]))
            latents = latents + (there - here) * velocity.float()
        self.seconds.append(time.perf_counter() - started)
        self.latents.append(latents)


def variants(vocabulary: Vocabulary) -> list[Variant]:
    """Lite in four precisions, what it was cut from, and Lite cut further."""
    lite = load_denoiser(vocabulary, "lite")
    trunk = load_denoiser(vocabulary, "trunk")
    middle = len(lite.transformer.transformer_blocks) // 2
    return [
        Variant("Lite, float32", lite, torch.float32),
        Variant("Lite, bfloat16", lite, torch.bfloat16),
        Variant("Lite, int8 (dynamic)", lite, torch.qint8),
        Variant("a block less, bfloat16", without_block(vocabulary, lite, middle), torch.bfloat16),
        Variant("trunk, not distilled, bfloat16", trunk, torch.bfloat16),
    ]


def measure(vocabulary: Vocabulary, asked: Sequence[Asked]) -> list[dict[str, float | str]]:
    """A row of figures for each variant."""
    tokenizer, autoencoder = make_tokenizer(vocabulary), load_autoencoder()
    by, rows = load_judge(vocabulary), variants(vocabulary)
    for one in tqdm(asked, desc="draw", mininterval=5):
        tokens = tokenize(tokenizer, [one.prompt])
        generator = torch.Generator().manual_seed(one.seed)
        noise = torch.randn(1, autoencoder.config.latent_channels, SIDE, SIDE, generator=generator)
        for row in rows:
            row.draw(tokens, noise)
    figures: list[dict[str, float | str]] = []
    wanted = torch.tensor(
        [[one.scene.placed[0].thing, one.scene.style, one.scene.background] for one in asked]
    )
    for row in rows:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            latents = torch.cat(row.latents).split(24)
            made = torch.cat([autoencoder.decode(part).sample for part in latents])
        found = judge(by, made.float().clamp(-1, 1))
        figures.append(
            {
                "variant": row.name,
                "MB": round(row.bytes / 1e6, 1),
                "ms": round(1000 * statistics.median(row.seconds), 1),
                "thing": round((found.thing == wanted[:, 0]).float().mean().item(), 3),
                "style": round((found.style == wanted[:, 1]).float().mean().item(), 3),
                "background": round((found.background == wanted[:, 2]).float().mean().item(), 3),
            }
        )
    return figures


def main() -> None:
    """Measure the variants."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--prompts", type=int, default=120)
    given = parser.parse_args()
    vocabulary = load_vocabulary()
    figures = measure(vocabulary, ask(vocabulary, given.prompts))
    (SHEETS / "compact.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(f"{'variant':32}{'MB':>6}{'ms':>7}{'thing':>8}{'style':>8}{'background':>12}")
    for row in figures:
        print(
            f"{row['variant']:32}{row['MB']:>6}{row['ms']:>7}"
            f"{row['thing']:>8}{row['style']:>8}{row['background']:>12}"
        )


if __name__ == "__main__":
    main()
