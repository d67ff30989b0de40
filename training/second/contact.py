"""True scenes on a sheet, to look at: what the second generation learns from.

python -m training.second.contact        writes training/sheets/scenes.jpg
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from PIL import Image
from torch import Tensor

from training.second.drawings import Drawings, load_drawings
from training.second.paint import paint
from training.second.read import complete
from training.second.say import caption
from training.second.scene import ask, draw
from training.second.words import load_words
from training.sheet import SHEETS, gallery, in_rows, save_small

SEEDS = 8
PROMPTS = ("a unicorn", "a 3d fox on a teal background", "a blue cat", "three apples")
"""Each drawn with the seeds 1 to 8: what differs between them, no word says."""
MIXED = 32
SIDE = 144


def contact(drawings: Drawings, mixed: int, seed: int = 12) -> Image.Image:
    """Rows of one prompt with many seeds, then scenes with what was asked for under them."""
    shown = []
    for prompt in PROMPTS:
        for one in range(1, SEEDS + 1):
            if found := complete(drawings, prompt, one):
                shown.append((f"{one}: {prompt}", _picture(paint(drawings, found[0], 2 * SIDE))))
    rng = random.Random(seed)
    for _ in range(mixed):
        asked = ask(drawings, rng)
        scene = draw(drawings, asked, rng)
        shown.append((caption(drawings.world, asked), _picture(paint(drawings, scene, 2 * SIDE))))
    return gallery(in_rows(shown, SEEDS), SIDE)


def _picture(made: Tensor) -> Image.Image:
    return Image.fromarray(((made.permute(1, 2, 0) + 1) * 127.5).round().byte().numpy())


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, default=SHEETS / "scenes.jpg")
    parser.add_argument("--mixed", type=int, default=MIXED)
    given = parser.parse_args()
    save_small(contact(load_drawings(load_words()), given.mixed), given.out)
    print(given.out)


if __name__ == "__main__":
    main()
