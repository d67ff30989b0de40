"""The models that come with the distribution, found without importing the tiers."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path


def model_directory(tier: str, name: str) -> Path | None:
    """The directory of a tier's bundled model; None if the tier is not installed."""
    spec = importlib.util.find_spec(f"underpaint.{tier}")
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) / "models" / name if places else None


def example_prompt() -> str:
    """A prompt that the bundled Lite model draws well: the first of its examples."""
    directory = model_directory("edge", "lite")
    try:
        vocabulary = json.loads((directory / "vocabulary.json").read_text()) if directory else {}
        return str(vocabulary["examples"][0])
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return "a red fox on a teal background"
