"""Keeps a device usable when a call of a pipeline fails on it."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from underpaint.contract.errors import EngineFailed
from underpaint.engines.pipelines.devices import Target, line, would_save

# What devices say that run out of memory, where torch raises no OutOfMemoryError.
_OUT_OF_MEMORY: Final = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "ALLOC_FAILED",
)


@contextmanager
def guarded(pipeline: Any, target: Target, size: str) -> Iterator[None]:
    """For the time of one call: leaves the device usable for the next one, however it ends.

    Args:
        pipeline: that is called.
        target: as chosen.
        size: of the picture, for messages, such as "1024 x 1024".

    Raises:
        EngineFailed: the device ran out of memory, or the denoiser could not be compiled.
    """
    try:
        yield
        return
    except BaseException as error:
        if target.placement.offload == "model":
            pipeline.maybe_free_model_hooks()  # which only the end of a call does by itself
        told = _explained(error, target, size)
        if told is None:
            raise
        _forget(error)
    _empty(target.device)
    raise EngineFailed(told) from None


def _explained(error: BaseException, target: Target, size: str) -> str | None:
    """What an error of a device means, in one line; None if it is of another kind."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and any(sign in str(error) for sign in _OUT_OF_MEMORY)
    ):
        more = would_save(target)
        return (
            f"{target.device} ran out of memory at {size}; ask for a smaller picture"
            f"{', or start' + more if more else ''}"
        )
    kinds = (torch._dynamo.exc.TorchDynamoException,)
    if target.placement.compile != "none" and isinstance(error, kinds):
        return (
            f"the denoiser could not be compiled: {line(error)}; start without "
            f"--compile {target.placement.compile}"
        )
    return None


def _empty(device: torch.device) -> None:
    """Gives back what torch keeps of a device's memory for the next tensors."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def _forget(error: BaseException) -> None:
    """Lets go of the tensors that the frames of a failed call still hold."""
    link: BaseException | None = error
    while link is not None:
        traceback.clear_frames(link.__traceback__)
        link = link.__cause__ or link.__context__
