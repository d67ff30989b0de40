"""The models that many people have, and how their makers call them.

A row is found by the exact id on the hub, or by the words in the name of a directory or file.
Where a row says nothing, the family decides. Adding a model is one row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from underpaint.engines.naming import spaced
from underpaint.engines.well_known.diffusion import MODELS
from underpaint.engines.well_known.flow import FLOW_MODELS
from underpaint.engines.well_known.row import Known

ROWS: Final[tuple[Known, ...]] = (*FLOW_MODELS, *MODELS)


def well_known(name: str) -> Known | None:
    """The row of a model; None if it is not well known.

    Args:
        name: a hub id, or the name of a directory or file.
    """
    return _find(ROWS, name)


def well_known_lora(name: str) -> Known | None:
    """The row of a LoRA that makes a model need few steps; None if it is no such.

    Args:
        name: of its file, or a hub id.
    """
    return _find([row for row in ROWS if row.lora], name)


def _find(rows: Sequence[Known], name: str) -> Known | None:
    wanted = name.partition("@")[0].casefold()
    exact = next((row for row in rows if wanted in map(str.casefold, row.ids)), None)
    if exact is not None:
        return exact
    words = spaced(name.partition("@")[0].rpartition("/")[2])
    for row in rows:
        found = re.search(row.words, words) if row.words else None
        if found is not None:
            steps = found.groupdict().get("steps")
            return replace(row, steps=int(steps)) if steps else row
    return None
