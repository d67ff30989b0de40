"""Puts pipelines on devices: type of numbers, offloading, tiling, compiling, and memory.

The order of use: `choose`, `check_memory`, `load_options` for diffusers' loader, `place` for each
pipeline that is made of the components; before each call `tile`, around it `guard.guarded`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import torch
from underpaint.contract.errors import InvalidModel, InvalidRequest
from underpaint.engines import memory
from underpaint.engines.memory import Size
from underpaint.engines.placement import TILE_ABOVE, Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a placement means on this machine."""

    device: torch.device  # of a GPU always with its number
    dtype: torch.dtype
    placement: Placement
    warnings: tuple[str, ...] = ()

    @property
    def dtype_name(self) -> str:
        """Such as "bfloat16"."""
        return str(self.dtype).removeprefix("torch.")


def choose(placement: Placement) -> Target:
    """Chooses the device and the type of numbers.

    Raises:
        InvalidRequest: there is no such device, it cannot do what is asked of it, or a package or
            compiler is missing.
    """
    device = _device(placement.device)
    if device.type != "cuda" and placement.device == "auto":
        # It is known only now that there is no GPU; complains as if the CPU had been named.
        placement = replace(placement, device=device.type)
    placement.check_installed()
    if device.type == "cuda":
        torch.cuda.set_device(device)  # bitsandbytes quantises on the current one
    warnings = []
    dtype = _dtype(device) if placement.dtype == "auto" else getattr(torch, placement.dtype)
    if device.type == "cpu" and dtype is torch.float16 and not _able().get("avx512_fp16"):
        warnings.append(
            "this CPU has no float16, so --dtype float16 may be a hundred times slower; use "
            "float32 or bfloat16"
        )
    return Target(device=device, dtype=dtype, placement=placement, warnings=tuple(warnings))


def load_options(target: Target, index: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `from_pretrained` for a target.

    Args:
        target: as chosen.
        index: model_index.json, which names the components that are quantised.
    """
    options: dict[str, Any] = {"dtype": target.dtype}
    kind = target.placement.quantise
    if kind != "none":
        import diffusers
        import transformers
        from diffusers.quantizers import PipelineQuantizationConfig

        homes: dict[str, Any] = {"diffusers": diffusers, "transformers": transformers}
        mapping = {
            component: _quantiser(kind, homes[library], target.dtype)
            for component, library in memory.to_quantise(index).items()
            if library in homes
        }
        options["quantization_config"] = PipelineQuantizationConfig(quant_mapping=mapping)
    return options


def place(pipeline: Any, target: Target, denoisers: tuple[str, ...]) -> None:
    """Puts a loaded pipeline on its device, and prepares compiling.

    May be called again, for another pipeline of the same components: with offloading it must be,
    because diffusers remembers in each pipeline what to move.

    Args:
        pipeline: of diffusers.
        target: as chosen.
        denoisers: the components that are called at each step, and so are compiled.

    Raises:
        InvalidRequest: it cannot be offloaded or tiled, or the directory of compiled code cannot
            be used.
        InvalidModel: the device has too little memory for it.
    """
    placement, device = target.placement, target.device
    if placement.vae_tiling == "on" and not tile(pipeline, target, 0, 0):
        raise InvalidRequest("the model's autoencoder cannot decode in tiles; use --vae-tiling off")
    try:
        if placement.offload == "model":
            pipeline.enable_model_cpu_offload(device=device)
        elif placement.offload == "sequential":
            pipeline.enable_sequential_cpu_offload(device=device)
        else:
            pipeline.to(device)
    except torch.OutOfMemoryError:
        more = would_save(target)
        raise InvalidModel(
            f"{device} ran out of memory while the model was put on it; try another model"
            f"{', or start' + more if more else ''}"
        ) from None
    except (NotImplementedError, ValueError) as error:
        raise InvalidRequest(
            f"--offload {placement.offload} cannot be used with this model: {line(error)}"
        ) from None
    if placement.compile != "none":
        _keep_compiled(placement)
        for name in denoisers:
            part = getattr(pipeline, name, None)
            if isinstance(part, torch.nn.Module):
                _compile(part, placement.compile)


def tile(pipeline: Any, target: Target, width: int, height: int) -> bool:
    """Turns tiling and slicing of the autoencoder on or off for a picture of this size.

    Returns:
        Whether it decodes in tiles.
    """
    wanted = target.placement.vae_tiling
    large = wanted == "on" or (wanted == "auto" and width * height > TILE_ABOVE)
    autoencoder = getattr(pipeline, "vae", None)
    for what in ("tiling", "slicing"):
        if hasattr(autoencoder, f"use_{what}"):
            getattr(autoencoder, f"{'enable' if large else 'disable'}_{what}")()
    return bool(getattr(autoencoder, "use_tiling", False))


def check_memory(
    name: str, components: Mapping[str, Size], target: Target, *, free: int | None = None
) -> tuple[str, ...]:
    """Tells before loading whether a model fits, and returns warnings if it does only just.

    Args:
        name: the model's.
        components: see `memory.sizes`.
        target: as chosen.
        free: bytes that are free; default: what the device says.

    Raises:
        InvalidModel: it does not fit; says what would do.
    """
    own = free_memory(target.device) if free is None else free
    rooms = [(str(target.device), target.placement, own)]
    if target.placement.offload != "none" and free is None:
        # What waits for the GPU waits in the memory of the CPU.
        waiting = replace(target.placement, offload="none")
        rooms.append(("cpu", waiting, memory.free_of_host()))
    return tuple(
        warning
        for device, placement, room in rooms
        if room is not None
        for warning in memory.check(
            name, components, placement, device=device, dtype=target.dtype_name, free=room
        )
    )


def would_save(target: Target) -> str:
    """What to start with where memory ran out; "" if nothing is left to try."""
    placement = target.placement
    flags = []
    if placement.vae_tiling == "off":
        flags.append("--vae-tiling auto")
    if target.device.type != "cpu" and placement.offload == "none":
        flags.append("--offload model")
    if target.dtype is torch.float32:
        flags.append("--dtype bfloat16")
    if placement.quantise == "none" and placement.offload != "sequential":
        flags.append(f"--quantise {'bnb-8bit' if target.device.type == 'cuda' else 'torchao-int8'}")
    return f" with {' or '.join(flags)}" if flags else ""


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on a device; None if it does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return memory.free_of_host()


def _device(wanted: str) -> torch.device:
    cuda = torch.cuda.is_available()
    mps = torch.backends.mps.is_available()
    if wanted == "auto":
        wanted = "cuda" if cuda else "mps" if mps else "cpu"
    device = torch.device(wanted)
    if device.type == "mps" and not mps:
        raise InvalidRequest("there is no mps device that torch can use; use --device cpu")
    if device.type == "cuda":
        if not cuda:
            raise InvalidRequest("there is no CUDA device that torch can use; use --device cpu")
        count = torch.cuda.device_count()
        device = torch.device("cuda", device.index or 0)
        if device.index >= count:
            last = f" to cuda:{count - 1}" if count > 1 else ""
            raise InvalidRequest(f"there is no {device} here; use cuda:0{last}")
    return device


def _dtype(device: torch.device) -> torch.dtype:
    """The type of numbers that is fastest and safe: bfloat16 where the hardware has it.

    Told by what the hardware says of itself and not by measuring, because on a busy machine a
    measurement may end otherwise at each start, and the same seed must draw the same picture.
    """
    if device.type == "cuda":
        with torch.cuda.device(device):
            native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float16
    if device.type == "mps":
        return torch.bfloat16 if torch.backends.mps.is_macos_or_newer(14, 0) else torch.float16
    able = _able()
    return torch.bfloat16 if able.get("avx512_bf16") or able.get("amx_bf16") else torch.float32


def _able() -> dict[str, Any]:
    """What the CPU can do."""
    found: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # new in torch 2.10
    return found


def _quantiser(kind: str, home: Any, dtype: torch.dtype) -> Any:
    """The configuration of a quantiser, of the library that loads the component."""
    if kind == "bnb-8bit":
        return home.BitsAndBytesConfig(load_in_8bit=True)
    if kind == "bnb-4bit":
        return home.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    quantization = import_module("torchao.quantization")
    made = {
        "torchao-int8": quantization.Int8WeightOnlyConfig,
        "torchao-fp8": quantization.Float8WeightOnlyConfig,
    }
    return home.TorchAoConfig(made[kind]())


def _compile(part: torch.nn.Module, mode: str) -> None:
    """Compiles a denoiser at its first call, in place, unless it is compiled already."""
    modules = list(part.modules())
    if any(getattr(module, "_compiled_call_impl", None) is not None for module in modules):
        return
    if getattr(part, "_repeated_blocks", None):
        repeat: Any = part
        repeat.compile_repeated_blocks(mode=mode)  # once for all blocks, which are alike
    else:
        part.compile(mode=mode)


def _keep_compiled(placement: Placement) -> None:
    """Keeps compiled code for the next start; a directory that the user has named already wins."""
    if placement.cache_dir is None:
        return
    try:
        placement.cache_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidRequest(
            f"{placement.cache_dir} cannot be used for compiled code: {error.strerror}"
        ) from None
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(placement.cache_dir.resolve()))


def line(error: BaseException) -> str:
    """The first line of an error of a library."""
    lines = [text.strip() for text in str(error).splitlines() if text.strip()]
    return (lines or [type(error).__name__])[0][:300]
