"""Chooses the floating-point type that is fastest on a device, by measuring if necessary."""

from __future__ import annotations

import time
from typing import Final

import torch

_REPEATS: Final = 5


def choose_dtype(device: str) -> torch.dtype:
    """The type in which weights are loaded.

    A GPU takes bfloat16 where it has it, else float16. On a CPU it depends on the
    instruction set (AMX and AVX512-BF16 double the speed, emulation halves it), so the
    two are timed on a product of matrices, some 20 ms in all.
    """
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device != "cpu":
        return torch.float16
    seconds = {kind: _seconds(kind) for kind in (torch.float32, torch.bfloat16)}
    # Convolutions and normalisations gain less than matrix products, so require a clear lead.
    if seconds[torch.bfloat16] < 0.6 * seconds[torch.float32]:
        return torch.bfloat16
    return torch.float32


def _seconds(kind: torch.dtype) -> float:
    """The shortest time in seconds of a matrix product as large as in a transformer's layer."""
    left, right = torch.ones(512, 512, dtype=kind), torch.ones(512, 1024, dtype=kind)
    best = float("inf")
    for _ in range(_REPEATS):
        started = time.perf_counter()
        torch.mm(left, right)
        best = min(best, time.perf_counter() - started)
    return best
