"""Whether a model fits into memory, told from the headers of its files before it is loaded.

Nothing here imports torch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from underpaint.contract.errors import InvalidModel
from underpaint.engines.checkpoints import read_header, read_json
from underpaint.engines.placement import BITS, Placement

GIB: Final = 2**30
TIGHT: Final = 0.8  # the share of free memory above which the weights leave little for pictures
# Components of a single file, by how the names of their tensors begin.
_PARTS: Final = {
    "model.diffusion_model.": "denoiser",
    "first_stage_model.": "vae",
    "vae.": "vae",
    "cond_stage_model.": "text_encoder",
    "conditioner.": "text_encoder",
    "text_encoders.": "text_encoder",
}
_DENOISER: Final = re.compile(r"(transformer|unet|prior|decoder|denoiser)(_\d+)?")
_ENCODER: Final = re.compile(r"text_encoder(_\d+)?")


@dataclass(frozen=True, slots=True)
class Size:
    """The weights of one component."""

    parameters: int  # numbers in all
    largest: int  # numbers of the largest tensor
    quantised: bool  # whether `--quantise` is for it
    stored: int = 0  # bytes, of weights that stay as they are in their file


def sizes(model: Path) -> dict[str, Size]:
    """The sizes of the components of a diffusers directory or of a single file.

    Raises:
        InvalidModel: a file is corrupt.
    """
    tensors: dict[str, list[int]] = {}
    if model.suffix.lower() == ".gguf":
        return {"denoiser": Size(0, 0, quantised=False, stored=model.stat().st_size)}
    if model.is_file():
        for name, count in _tensors(model):
            part = next((part for begin, part in _PARTS.items() if name.startswith(begin)), "rest")
            tensors.setdefault(part, []).append(count)
        return {
            part: Size(sum(counts), max(counts), part == "denoiser")
            for part, counts in tensors.items()
        }
    large = to_quantise(read_json(model / "model_index.json"))
    for folder in sorted(path for path in model.iterdir() if path.is_dir()):
        counts = [count for path in _of_one_variant(folder) for _, count in _tensors(path)]
        if counts:
            tensors[folder.name] = counts
    return {name: Size(sum(counts), max(counts), name in large) for name, counts in tensors.items()}


def to_quantise(index: Mapping[str, Any]) -> dict[str, str]:
    """The components that `--quantise` is for, with the libraries that they are of.

    The denoiser, and text encoders except CLIP's: those are small, and lose more than they save.

    Args:
        index: model_index.json.
    """
    found = {}
    for component, source in index.items():
        if not isinstance(source, list) or len(source) != 2 or source == [None, None]:
            continue
        library, kind = map(str, source)
        is_encoder = _ENCODER.fullmatch(component) and not kind.startswith("CLIP")
        if is_encoder or _DENOISER.fullmatch(component):
            found[component] = library
    return found


def needed(components: Mapping[str, Size], placement: Placement, bytes_each: int) -> int:
    """The bytes that the weights take on the device, at the same time.

    Args:
        components: the sizes, by component.
        placement: how they are placed.
        bytes_each: of one number, such as 2 for bfloat16.
    """

    few = BITS[placement.quantise] / 8 if placement.quantise != "none" else bytes_each
    whole = [
        size.stored or size.parameters * (few if size.quantised else bytes_each)
        for size in components.values()
    ]
    if placement.offload == "model":
        return math.ceil(max(whole, default=0))
    if placement.offload == "sequential":
        return max((size.largest for size in components.values()), default=0) * bytes_each
    return math.ceil(sum(whole))


def check(
    name: str,
    components: Mapping[str, Size],
    placement: Placement,
    *,
    device: str,
    dtype: str,
    free: int,
) -> tuple[str, ...]:
    """Tells before loading whether the weights fit; returns warnings if they do only just.

    Args:
        name: the model's.
        components: the sizes, by component.
        placement: what was asked for.
        device: the device that was chosen, such as "cuda:0".
        dtype: the type of numbers that was chosen, such as "bfloat16".
        free: bytes of the device that are free.

    Raises:
        InvalidModel: they do not fit; says what would do.
    """
    bytes_each = 4 if dtype == "float32" else 2
    wanted = needed(components, placement, bytes_each)
    if wanted <= TIGHT * free:
        return ()
    told = (
        f"the weights of the model {name} take {wanted / GIB:.1f} GiB of {device} as {dtype}, and "
        f"{free / GIB:.1f} GiB are free"
    )
    what_would_do = list(_smaller(components, placement, device, bytes_each, free))
    if wanted <= free:
        told += ", which leaves little for pictures"
        return (f"{told}; if it runs out, use {' or '.join(what_would_do) or 'smaller ones'}",)
    raise InvalidModel(f"{told}: use {' or '.join([*what_would_do, 'a smaller model'])}")


def free_of_host(root: Path = Path("/")) -> int | None:
    """Bytes of this machine's memory that a process may still take; None if nothing tells.

    A container's limit counts, and so does swap.
    """
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
        found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        free = found["MemAvailable"] + found.get("SwapFree", 0)
    except (OSError, LookupError, ValueError):
        return None
    for limit, usage in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        group = root / "sys/fs/cgroup"
        try:
            most = int((group / limit).read_text())
            used = int((group / usage).read_text())
            stat = (group / limit).with_name("memory.stat").read_text().splitlines()
        except (OSError, ValueError):
            continue  # not in a container, or without a limit ("max")
        cached = dict(line.split() for line in stat if line.count(" ") == 1).get("inactive_file")
        free = min(free, max(0, most - used + int(cached or 0)))
    return free


def _smaller(
    components: Mapping[str, Size], placement: Placement, device: str, bytes_each: int, free: int
) -> Iterator[str]:
    """The flags that would each make the weights fit well, with what they then take."""
    on_gpu = device.startswith("cuda")
    tries: list[tuple[str, Placement, int]] = []
    if bytes_each == 4:
        tries.append(("--dtype bfloat16", placement, 2))
    if device != "cpu" and placement.offload == "none":
        tries.append(("--offload model", replace(placement, offload="model"), bytes_each))
    if placement.quantise == "none" and placement.offload != "sequential":
        for kind in ("bnb-8bit", "bnb-4bit") if on_gpu else ("torchao-int8",):
            changed: dict[str, Any] = {"quantise": kind}
            tries.append((f"--quantise {kind}", replace(placement, **changed), bytes_each))
    if device != "cpu" and placement.quantise == placement.compile == "none":
        slow = replace(placement, offload="sequential")
        tries.append(("--offload sequential", slow, bytes_each))
    for flag, other, each in tries:
        wanted = needed(components, other, each)
        if wanted <= TIGHT * free:
            yield f"{flag} ({wanted / GIB:.1f} GiB)"


def _of_one_variant(folder: Path) -> list[Path]:
    """The files of the ordinary weights, else of the first variant, such as fp16."""
    by_variant: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        words = re.sub(r"-\d+-of-\d+", "", path.name).split(".")
        by_variant.setdefault(".".join(words[1:-1]), []).append(path)
    first = "" if "" in by_variant else next(iter(by_variant), "")
    return by_variant.get(first, [])


def _tensors(path: Path) -> Iterator[tuple[str, int]]:
    for name, tensor in read_header(path).items():
        if name == "__metadata__":
            continue
        try:
            yield name, math.prod(tensor["shape"])
        except (LookupError, TypeError) as error:
            raise InvalidModel(f"{path} is corrupt: a tensor without a shape: {error}") from None
