"""The families of models that can be loaded: a file for each, and the table of all."""

from __future__ import annotations

from typing import Final

from underpaint.engines.families import flux, sd, sd3, sdxl
from underpaint.engines.families.family import Checkpoint, Family

FAMILIES: Final[tuple[Family, ...]] = (
    sd.SD1,
    sd.SD2,
    sdxl.FAMILY,
    sd3.FAMILY,
    flux.FAMILY,
)


def family_of(checkpoint: Checkpoint) -> Family | None:
    """The family of a checkpoint by the class in its model_index.json; None if there is none."""
    wanted = checkpoint.index.get("_class_name")
    named = (family for family in FAMILIES if wanted in family.index)
    return next((family for family in named if family.is_one(checkpoint)), None)
