"""The options of commands that start engines: where these run."""

from __future__ import annotations

from typing import Annotated

import typer
from underpaint.local.hardware import by_engine

__all__ = ["Compile", "Device", "Dtype", "Offload", "Quantise", "by_engine"]

_PANEL = "Where the engines run; lite=VALUE or full=VALUE is for one of them"


def _option(help_text: str) -> object:
    return typer.Option(metavar="[lite=|full=]VALUE", help=help_text, rich_help_panel=_PANEL)


Device = Annotated[list[str], _option("auto, cpu, cuda, cuda:N or mps.")]
Dtype = Annotated[list[str], _option("Type of the weights: float32, bfloat16 or float16.")]
Offload = Annotated[
    list[str], _option("Weights that wait in the CPU's memory: none, model or sequential.")
]
Compile = Annotated[list[str], _option("torch.compile: none or default; slow once, then faster.")]
Quantise = Annotated[
    list[str], _option("Weights of fewer bits: bnb-8bit, bnb-4bit, torchao-int8 or torchao-fp8.")
]
