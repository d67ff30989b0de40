"""Watches a scheduler: every family of diffusers calls its `step` once for each denoising step.

So progress, cancelling, previews and masks need nothing from the pipelines, of which some have no
callbacks.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

AfterStep = Callable[[int, torch.Tensor], torch.Tensor | None]


@contextmanager
def watched(scheduler: Any, after: AfterStep) -> Iterator[None]:
    """Calls `after(count, latents)` after each step of a scheduler.

    Args:
        scheduler: of the pipeline that runs meanwhile.
        after: may raise, which ends the generation, or return other latents to go on with.
    """
    plain = scheduler.step
    count = 0

    @functools.wraps(plain)  # pipelines look at its parameters
    def step(*given: Any, **named: Any) -> Any:
        nonlocal count
        output = plain(*given, **named)
        count += 1
        latents = output[0]
        changed = after(count, latents)
        if changed is None:
            return output
        if isinstance(output, tuple):
            return (changed, *output[1:])
        output.prev_sample = changed
        return output

    scheduler.step = step
    try:
        yield
    finally:
        del scheduler.step
