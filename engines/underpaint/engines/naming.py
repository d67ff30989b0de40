"""Names of models as words, however people write them together."""

from __future__ import annotations

import re


def spaced(name: str) -> str:
    """A name in lower case with a space between its words: fooXL_v9Lightning4Steps, too."""
    name = re.sub(r"[^A-Za-z0-9]+", " ", name)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    # "lightning4steps", but not "sd3" or "v5".
    return re.sub(r"(?<=[a-z]{3})(?=\d+ ?steps?\b)", " ", name)
