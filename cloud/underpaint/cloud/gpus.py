"""Which GPU each replica gets, told before Ray would wait for one for ever."""

from __future__ import annotations

import math
import os

from underpaint.cloud.settings import Settings
from underpaint.contract.errors import InvalidRequest


def gpus(settings: Settings, there: float) -> tuple[str, float]:
    """The device of each replica as Ray's workers see it, and how much of a GPU each gets.

    Args:
        settings: of the cloud; `cuda:N` puts all replicas on that one, `cuda` each on its own.
        there: how many GPUs Ray has.

    Raises:
        InvalidRequest: there are too few.
    """
    device = settings.device
    if device == "auto":
        device = "cuda" if there else "auto"
    if not device.startswith("cuda"):
        return device, 1.0
    if there == 0:
        raise InvalidRequest(
            f"Ray finds no CUDA device for --device {settings.device}; use --device cpu"
        )
    if device != "cuda":
        # Only this one is visible to Ray; rounded down, so that all fit on it.
        return "cuda", math.floor(1e4 / settings.replicas) / 1e4
    if there < settings.replicas:
        raise InvalidRequest(
            f"--replicas {settings.replicas} need a GPU each, and Ray has {there:g}; use fewer, or "
            "--device cuda:0 to put all on one"
        )
    return "cuda", 1.0


def show_one_gpu(device: str) -> None:
    """Makes `cuda:N` the only GPU that Ray's processes see, because Ray chooses among all.

    Raises:
        InvalidRequest: CUDA_VISIBLE_DEVICES names too few.
    """
    if device.startswith("cuda:"):
        number = int(device.removeprefix("cuda:"))
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        names = [name.strip() for name in visible.split(",") if name.strip()]
        if names and number >= len(names):
            raise InvalidRequest(
                f"there is no {device} among CUDA_VISIBLE_DEVICES={visible}; use a smaller number"
            )
        os.environ["CUDA_VISIBLE_DEVICES"] = names[number] if names else str(number)
