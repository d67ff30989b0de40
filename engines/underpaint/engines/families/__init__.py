"""The families of models that can be loaded: a file for each, and the table of all."""

from __future__ import annotations

from typing import Final

from underpaint.engines.families import flux
from underpaint.engines.families.family import Checkpoint, Family

FAMILIES: Final[tuple[Family, ...]] = (flux.FAMILY,)


def family_of(checkpoint: Checkpoint) -> Family | None:
    """The family of a checkpoint by the class in its model_index.json; None if there is none."""
    wanted = checkpoint.index.get("_class_name")
    return next((family for family in FAMILIES if wanted in family.index), None)
