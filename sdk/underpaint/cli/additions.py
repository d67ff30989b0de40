"""The options of commands that start engines: what is added to their models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from underpaint.local.additions import additions

__all__ = ["Control", "Embedding", "Lora", "TinyVae", "additions"]

_PANEL = "What is added to the models"

Lora = Annotated[
    list[str],
    typer.Option(
        metavar="lite=|full=FILE[:WEIGHT]",
        help="A LoRA for every picture; with the weight 0 only where requests name it. Repeatable.",
        rich_help_panel=_PANEL,
    ),
]
Embedding = Annotated[
    list[str],
    typer.Option(
        metavar="lite=|full=FILE",
        help="A textual inversion; its name is the word for it. Repeatable.",
        rich_help_panel=_PANEL,
    ),
]
Control = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="A ControlNet for polishing along a map.", rich_help_panel=_PANEL
    ),
]
TinyVae = Annotated[
    bool,
    typer.Option(
        "--tiny-vae",
        help="Decode drafts with the TAESD in the Lite's folder `taesd`: faster, less exact.",
        rich_help_panel=_PANEL,
    ),
]
