"""Scenes of the second generation with their latents: what its text encoder and denoisers learn.

    python -m training.second.latents --side 128 --count 40960       for Lite
    python -m training.second.latents --side 512 --count 20480       for Full

Made in parts that are kept one by one: stopped, it goes on with the part that is missing.
"""

from __future__ import annotations

import argparse
import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from torch import Tensor
from tqdm import tqdm

from training.data import CACHE
from training.loop import RUNS
from training.scene import held_out
from training.second.detail import make_detail
from training.second.drawings import Drawings, load_drawings
from training.second.paint import paint
from training.second.say import caption, details
from training.second.scene import Asked, Scene, ask, draw
from training.second.words import World, load_words
from training.vocabulary import Vocabulary

PART = 512
"""Scenes in one file."""
BATCH = 16
SEED = 512


@dataclass(frozen=True)
class Lessons:
    """Scenes, what was asked for them, and in the same order their latents.

    `latents`: float16 (scenes, channels, side / 8, side / 8).
    """

    world: World
    asked: list[Asked]
    scenes: list[Scene]
    latents: Tensor

    def told(self, which: int) -> tuple[str, tuple[str, ...]]:
        """The caption and the details of a scene."""
        return caption(self.world, self.asked[which]), details(self.world, self.scenes[which])


def unseen(world: World, scene: Scene) -> bool:
    """Whether it has a combination of thing, style and ground that is never trained on.

    The same combinations as in the first generation, where that knew the style.
    """
    words = Vocabulary(world.things, world.styles, world.colours, world.sizes, world.positions)
    return any(
        held_out(words, one.thing, scene.style, scene.ground.colour) for one in scene.standing
    )


def make_scenes(drawings: Drawings, count: int, seed: str) -> list[tuple[Asked, Scene]]:
    """What is asked and a scene that answers it, so many times, none with what is held out."""
    rng = random.Random(seed)
    made: list[tuple[Asked, Scene]] = []
    while len(made) < count:
        asked = ask(drawings, rng)
        scene = draw(drawings, asked, rng)
        if not unseen(drawings.world, scene):
            made.append((asked, scene))
    return made


@torch.no_grad()
def load_lessons(
    drawings: Drawings,
    autoencoder: AutoencoderTiny,
    side: int,
    count: int,
    device: str = "cpu",
    cache: Path = CACHE,
) -> Lessons:
    """Paint and encode scenes, or read back what an earlier call encoded with the same weights."""
    model = autoencoder.to(device, memory_format=torch.channels_last)
    folder = cache / f"latents-{side}-{_digest(model)}"
    folder.mkdir(parents=True, exist_ok=True)
    pairs: list[tuple[Asked, Scene]] = []
    parts = []
    for start in tqdm(range(0, count, PART), desc=f"latents at {side}", mininterval=10):
        some = make_scenes(drawings, min(PART, count - start), f"{SEED}:{start}")
        pairs += some
        path = folder / f"{start:06}-{len(some)}.pt"
        if not path.exists():
            rows = []
            for first in range(0, len(some), BATCH):
                true = torch.stack(
                    [paint(drawings, scene, side) for _, scene in some[first : first + BATCH]]
                ).to(device, memory_format=torch.channels_last)
                with torch.autocast(device, torch.bfloat16):
                    rows.append(model.encode(true).latents.half().cpu())
            fresh = path.with_suffix(".new")
            torch.save(torch.cat(rows), fresh)
            fresh.replace(path)
        parts.append(torch.load(path, weights_only=True, mmap=True))
    asked, scenes = ([pair[i] for pair in pairs] for i in (0, 1))
    return Lessons(drawings.world, asked, scenes, torch.cat(parts))  # type: ignore[arg-type]


def _digest(model: AutoencoderTiny) -> str:
    sha = hashlib.sha256()
    for name, value in sorted(model.encoder.state_dict().items()):
        sha.update(name.encode())
        sha.update(value.float().cpu().numpy().tobytes())
    return sha.hexdigest()[:12]


def load_detail() -> AutoencoderTiny:
    """The trained autoencoder of the second generation, with averaged weights."""
    stored = torch.load(RUNS / "detail" / "checkpoint.pt", weights_only=True)["average"]
    own = "autoencoder."
    model = make_detail()
    model.load_state_dict(
        {key.removeprefix(own): stored[key] for key in stored if key.startswith(own)}
    )
    return model.requires_grad_(False).eval()


def main() -> None:
    """Paint and encode, so that the later stages start at once."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--side", type=int, choices=(128, 512), default=128)
    parser.add_argument("--count", type=int, default=40960)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    drawings = load_drawings(load_words())
    made = load_lessons(drawings, load_detail(), given.side, given.count, given.device)
    print(tuple(made.latents.shape))


if __name__ == "__main__":
    main()
