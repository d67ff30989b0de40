"""Watches a scheduler: every family of diffusers calls its `step` once for each denoising step.

So progress, cancelling and previews need nothing from the pipelines, of which some have no
callbacks.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

AfterStep = Callable[[int, torch.Tensor], None]


@contextmanager
def watched(scheduler: Any, after: AfterStep) -> Iterator[None]:
    """Calls `after(count, latents)` after each step of a scheduler.

    Args:
        scheduler: of the pipeline that runs meanwhile.
        after: may raise, which ends the generation.
    """
    plain = scheduler.step
    count = 0

    @functools.wraps(plain)  # pipelines look at its parameters
    def step(*given: Any, **named: Any) -> Any:
        nonlocal count
        output = plain(*given, **named)
        count += 1
        after(count, output[0])
        if isinstance(output, tuple) and len(output) == 1:
            # PixArt alpha takes the second, the clean latents, if it makes but one step. Schedulers
            # that tell only one come to the clean latents at the end of it.
            return (output[0], output[0])
        return output

    instance = vars(scheduler).get("step")
    scheduler.step = step
    try:
        yield
    finally:
        if instance is None:
            del scheduler.step
        else:
            scheduler.step = instance
