"""The judge's network, its stored weights, and how a picture is shown to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from training.vocabulary import Vocabulary

WEIGHTS = Path(__file__).with_name("judge.safetensors")
SIDE = 80
"""Pixels along the side of what the judge sees, whatever the size of the picture."""
WIDTHS = (24, 48, 96, 192)
HEADS = ("thing", "style", "background")
BATCH = 64


class Judge(nn.Module):
    """A small residual network of plain convolutions with three answers: its `HEADS`."""

    def __init__(self, things: int, styles: int, backgrounds: int) -> None:
        super().__init__()
        first, *others = WIDTHS
        layers: list[nn.Module] = [_shrink(3, first)]
        before = first
        for width in others:
            layers += [_shrink(before, width), _Residual(width)]
            before = width
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.answers = (things, styles, backgrounds)
        self.head = nn.Linear(before, sum(self.answers))

    def features(self, seen: Tensor) -> Tensor:
        """What stands before the answers, n × WIDTHS[-1], of n × 3 × SIDE × SIDE in -1..1."""
        found: Tensor = self.body(seen)
        return found

    def answer(self, features: Tensor) -> tuple[Tensor, ...]:
        """Logits of every head, n × its number of answers."""
        return self.head(features).split(self.answers, dim=1)  # type: ignore[no-any-return]

    def forward(self, seen: Tensor) -> tuple[Tensor, ...]:
        """Logits of every head for n × 3 × SIDE × SIDE in -1..1."""
        return self.answer(self.features(seen))


def _shrink(before: int, width: int) -> nn.Sequential:
    """Half the side, `width` channels."""
    return nn.Sequential(
        nn.Conv2d(before, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.SiLU()
    )


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.silu(x + self.change(x))


def make_judge(vocabulary: Vocabulary) -> Judge:
    """An untrained judge of this world."""
    return Judge(len(vocabulary.things), len(vocabulary.styles), len(vocabulary.backgrounds))


def save_judge(trained: Judge, vocabulary: Vocabulary, path: Path = WEIGHTS) -> None:
    """Write the weights in half precision, with the words that the answers stand for."""
    halves = {
        name: tensor.detach().half().contiguous() if tensor.is_floating_point() else tensor
        for name, tensor in trained.state_dict().items()
    }
    save_file(halves, path, metadata=_words(vocabulary))
    path.chmod(0o644)  # like the files beside it


def load_judge(vocabulary: Vocabulary, path: Path = WEIGHTS) -> Judge:
    """The trained judge, ready to look.

    Raises:
        ValueError: it was trained on another vocabulary.
        FileNotFoundError: it was not trained.
    """
    with safe_open(path, "pt") as stored:
        if stored.metadata() != _words(vocabulary):
            raise ValueError(
                f"{path} judges another vocabulary; run python -m training.judge train"
            )
    trained = make_judge(vocabulary)
    trained.load_state_dict(load_file(path))
    return trained.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _words(vocabulary: Vocabulary) -> dict[str, str]:
    heads = (vocabulary.things, vocabulary.styles, vocabulary.backgrounds)
    return {
        head: ",".join(entry.word for entry in entries)
        for head, entries in zip(HEADS, heads, strict=True)
    }


def look(pictures: Tensor) -> Tensor:
    """Pictures of any size, n × 3 × h × w in -1..1, as the judge sees them."""
    if pictures.shape[-2:] == (SIDE, SIDE):
        return pictures
    return functional.interpolate(pictures, size=(SIDE, SIDE), mode="bilinear", antialias=True)


def to_tensor(picture: Image.Image) -> Tensor:
    """1 × 3 × h × w in -1..1."""
    pixels = torch.from_numpy(np.array(picture.convert("RGB"), dtype=np.float32))
    return pixels.permute(2, 0, 1)[None] / 127.5 - 1


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the judge says of n pictures: indices into the vocabulary, and its features.

    `thing`, `style`, `background`: int64 (n). `features`: float32 (n, WIDTHS[-1]).
    """

    thing: Tensor
    style: Tensor
    background: Tensor
    features: Tensor


@torch.no_grad()
def judge(by: Judge, pictures: Sequence[Image.Image] | Tensor) -> Verdicts:
    """What `by` says of pictures of any size, or of n × 3 × h × w in -1..1."""
    if isinstance(pictures, Tensor):
        seen = [look(part) for part in pictures.split(BATCH)]
    else:
        shown = [look(to_tensor(picture)) for picture in pictures]
        seen = [torch.cat(shown[i : i + BATCH]) for i in range(0, len(shown), BATCH)]
    found = [by.features(part.to(memory_format=torch.channels_last)).float() for part in seen]
    features = torch.cat(found) if found else torch.empty(0, WIDTHS[-1])
    thing, style, background = (logits.argmax(dim=1) for logits in by.answer(features))
    return Verdicts(thing, style, background, features)
