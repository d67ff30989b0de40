"""Where a model runs and in which form: device, type of numbers, offloading, compiling, quantising.

Nothing here imports torch, so that a wrong choice is told in milliseconds.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, BaseModel, Field, ValidationError
from pydantic_core import PydanticCustomError
from underpaint.contract.errors import InvalidRequest

_DEVICE: Final = re.compile(r"auto|cpu|cuda(:\d{1,3})?|mps", re.ASCII)


def _is_device(value: str) -> str:
    if not _DEVICE.fullmatch(value):
        raise PydanticCustomError("device", "write auto, cpu, cuda, cuda:N or mps")
    return value


Device = Annotated[str, AfterValidator(_is_device)]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Offload = Literal["none", "model", "sequential"]
Tiling = Literal["auto", "on", "off"]
Compile = Literal["none", "default", "max-autotune-no-cudagraphs"]
Quantise = Literal["none", "bnb-8bit", "bnb-4bit", "torchao-int8", "torchao-fp8"]
BITS: Final[dict[Quantise, float]] = {
    "bnb-8bit": 8.2,
    "bnb-4bit": 4.5,
    "torchao-int8": 8.2,
    "torchao-fp8": 8.2,
}
"""Bits of a quantised weight, with its share of the scales."""
TILE_ABOVE: Final = 2 * 2**20
"""Pixels of a picture above which `--vae-tiling auto` decodes it in tiles: 2 megapixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How a model is put on a device. Words are those of torch and diffusers.

    Raises:
        InvalidRequest: two of them do not go together.
    """

    device: str = "auto"
    dtype: Dtype = "auto"
    offload: Offload = "none"
    vae_tiling: Tiling = "auto"
    compile: Compile = "none"
    quantise: Quantise = "none"
    cache_dir: Path | None = None  # of compiled code; None leaves it to torch, which forgets it

    def __post_init__(self) -> None:
        on_cpu = self.device == "cpu"
        if self.offload != "none" and on_cpu:
            raise InvalidRequest(
                f"--offload {self.offload} moves weights from the memory of a GPU to that of the "
                "CPU, so --device cpu cannot use it; leave it out"
            )
        if self.quantise.startswith("bnb") and self.device in ("cpu", "mps"):
            raise InvalidRequest(
                f"--quantise {self.quantise} needs a CUDA device, not --device {self.device}; "
                "use torchao-int8 there"
            )
        if self.offload == "sequential" and self.quantise != "none":
            raise InvalidRequest(
                "--offload sequential cannot move quantised weights; use --offload model, or "
                "leave --quantise out"
            )
        if self.offload == "sequential" and self.compile != "none":
            raise InvalidRequest(
                "--offload sequential moves each layer by itself, which leaves nothing to compile; "
                "use --offload model, or leave --compile out"
            )

    def check_installed(self) -> None:
        """Checks that the packages and the compiler that it needs are on this machine.

        Raises:
            InvalidRequest: names what is missing, and how to install it.
        """
        if self.quantise != "none":
            package = "bitsandbytes" if self.quantise.startswith("bnb") else "torchao"
            if find_spec(package) is None:
                raise InvalidRequest(
                    f"--quantise {self.quantise} needs the package {package}: pip install {package}"
                )
        if self.compile != "none" and not _has_compiler(self.device):
            raise InvalidRequest(
                f"--compile {self.compile} needs a C++ compiler, and there is none; install g++ "
                "(on Debian: apt install g++), name another in CXX, or leave --compile out"
            )


class PlacementSettings(BaseModel):
    """The settings of both tiers for a placement; mixed into each tier's settings."""

    device: Device = Field(
        "auto", description="auto (a GPU if there is one), cpu, cuda, cuda:N or mps"
    )
    dtype: Dtype = Field(
        "auto", description="type of the weights: auto, float32, bfloat16 or float16"
    )
    offload: Offload = Field(
        "none",
        description="what waits in the CPU's memory until the GPU needs it: none, model (whole "
        "components) or sequential (single layers, slow)",
    )
    vae_tiling: Tiling = Field(
        "auto", description="decode pictures in tiles: on, off, or auto above 2 megapixels"
    )
    compile: Compile = Field(
        "none", description=f"torch.compile of the denoiser: {', '.join(get_args(Compile))}"
    )
    quantise: Quantise = Field(
        "none", description=f"weights of fewer bits: {', '.join(get_args(Quantise))}"
    )

    def placement(self, cache_dir: Path | None = None) -> Placement:
        """The placement that these settings ask for.

        Args:
            cache_dir: where compiled code is kept for the next start.

        Raises:
            InvalidRequest: two of them do not go together.
        """
        chosen = {name: getattr(self, name) for name in PlacementSettings.model_fields}
        return Placement(**chosen, cache_dir=cache_dir)


def read_placement(**given: str) -> Placement:
    """The placement of values as they are typed.

    Raises:
        InvalidRequest: a value is none of the choices, or two of them do not go together.
    """
    try:
        return PlacementSettings(**given).placement()  # type: ignore[arg-type]  # it checks them
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        flag = name.replace("_", "-")
        raise InvalidRequest(f"--{flag} {given[name]!r}: {first['msg']}") from None


def _has_compiler(device: str) -> bool:
    """Whether torch.compile finds a compiler: of C++ on a CPU, of C for Triton on a GPU."""
    usual = "clang++" if sys.platform == "darwin" else "g++"
    found = shutil.which(os.environ.get("CXX", usual)) is not None
    if device != "cpu":
        names = (os.environ.get("CC"), "gcc", "clang")
        found = found or any(name and shutil.which(name) for name in names)
    return found
