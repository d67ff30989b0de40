"""How a model is loaded. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from underpaint.engines.placement import Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a model is loaded."""

    placement: Placement = field(default_factory=Placement)
    data_dir: Path | None = None  # where the cards of hub ids and single files are
    loras: tuple[str, ...] = ()  # FILE or FILE:weight
    control: Path | None = None  # the directory of a ControlNet
