"""Write the trained runs as the two pipeline directories that ship.

python -m training.export
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from training.autoencoder import load_autoencoder, load_double
from training.denoiser import load_denoiser
from training.loop import RUNS
from training.pipeline import make_pipeline, settings, write_pipeline
from training.vocabulary import Vocabulary, load_vocabulary

ROOT = Path(__file__).parents[1]
LITE = ROOT / "edge" / "underpaint" / "edge" / "models" / "lite"
FULL = ROOT / "cloud" / "underpaint" / "cloud" / "models" / "full"
CARDS = Path(__file__).with_name("cards")
EXAMPLES = (
    "a 3d unicorn",
    "a flat fox on a teal background",
    "a 3d ambulance on a blue background",
    "a 3d rocket",
    "a cartoon guitar on a teal background",
    "a 3d panda on a green background",
    "a flat ice cream",
    "a 3d hamburger on an orange background",
    "a 3d butterfly on a white background",
    "a 3d bus on a green background",
    "a small cartoon owl on the left",
    "a flat apple left of a flat banana on a blue background",
)
"""What shows best what they can do; the first leaves the background to the seed."""


def describe(vocabulary: Vocabulary) -> dict[str, Any]:
    """What the models know, for people and programs to list."""
    return {
        "things": [
            {"word": thing.word, "kind": thing.kind, "also": list(thing.synonyms)}
            for thing in vocabulary.things
        ],
        "styles": [
            {"word": style.word, "also": list(style.synonyms)} for style in vocabulary.styles
        ],
        "backgrounds": [
            {"word": light.word, "colour": light.source, "also": list(light.synonyms)}
            for light in vocabulary.backgrounds
        ],
        "sizes": [{"word": size.word, "also": list(size.synonyms)} for size in vocabulary.sizes],
        "positions": [
            {"word": position.word, "also": list(position.synonyms)}
            for position in vocabulary.positions
        ],
        "examples": list(EXAMPLES),
    }


def main() -> None:
    """Write both directories; a tier that was not trained yet is written from the trunk."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--lite", type=Path, default=LITE)
    parser.add_argument("--full", type=Path, default=FULL)
    given = parser.parse_args()
    vocabulary = load_vocabulary()
    known = describe(vocabulary)
    for tier, folder, autoencoder in (
        ("lite", given.lite, load_autoencoder()),
        ("full", given.full, load_double()),
    ):
        trained = tier if (RUNS / tier / "checkpoint.pt").exists() else "trunk"
        denoiser = load_denoiser(vocabulary, trained)
        pipeline = make_pipeline(vocabulary, denoiser, autoencoder, tier)
        card = (CARDS / f"{tier}.md").read_text()
        write_pipeline(folder, pipeline, settings(tier), card, vocabulary=known)
        print(f"{tier}: {sum(p.stat().st_size for p in folder.rglob('*') if p.is_file()):,} bytes")


if __name__ == "__main__":
    main()
