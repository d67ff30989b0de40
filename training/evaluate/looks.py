"""What is seen, beside what is recognised: the models' variety, sharpness and step up.

python -m training.evaluate.looks        prints the figures and writes looks.json
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from underpaint.cloud.upscaler import load_upscaler
from underpaint.contract.errors import UnderpaintError

from training.data import CACHE, LIGHTS, backdrops, load_pictures
from training.evaluate.drawing import Polish, Studio
from training.evaluate.prompts import SINGLES, Asked, ask
from training.evaluate.second_eye import features as seen_by
from training.evaluate.second_eye import load_second_eye
from training.evaluate.sharpness import sharpness
from training.export import FULL, LITE
from training.judge import judge, load_judge
from training.judge.network import to_tensor
from training.scene import centred, render
from training.second.drawings import Drawings, load_drawings
from training.second.paint import paint
from training.second.say import caption
from training.second.scene import Asked as Words
from training.second.scene import Ground, Scene, Standing, draw
from training.second.words import World, load_words
from training.vocabulary import Vocabulary, load_vocabulary

SEEDS = 8
"""Drafts of one prompt, between which variety is measured."""
FIRST_SEED = 20_000
"""Of the drafts for variety; those of `training.evaluate` come before."""
SEED = 16
TRUE_SIDE = 256

Eye = Callable[[Tensor], Tensor]
"""From pictures to features."""


def spread(features: Tensor) -> float:
    """Mean distance between two of them, n × d."""
    return float(functional.pdist(features.double()).mean())


def wordings(world: World, count: int) -> list[Words]:
    """What the prompts for variety say: of four a thing alone, two with a style, one with a style
    and a background."""
    rng = random.Random(SEED)
    # The styles that the first generation knows too, in the same words.
    styles = [i for i, style in enumerate(world.styles) if style.word in ("3d", "flat", "cartoon")]
    return [
        Words(
            things=(thing,),
            style=rng.choice(styles) if i % 4 else None,
            background=rng.randrange(len(world.colours)) if i % 4 == 3 else None,
        )
        for i, thing in enumerate(rng.sample(range(len(world.things)), count))
    ]


def variety(drawings: Drawings, studio: Studio, count: int, eyes: dict[str, Eye]) -> dict[str, Any]:
    """Of `count` prompts, the spread of `SEEDS` drafts over that of as many true scenes."""
    asked = []
    said = wordings(drawings.world, count)
    for i, words in enumerate(said):
        nothing = centred(words.things[0], 0, 0)
        prompt = caption(drawings.world, words)
        seeds = range(FIRST_SEED + i * SEEDS, FIRST_SEED + (i + 1) * SEEDS)
        asked += [Asked(prompt, seed, nothing, False) for seed in seeds]
    drafts, _ = studio.draw(asked, 0)
    made = torch.cat([to_tensor(one.picture) for one in drafts])
    true = torch.stack(
        [
            paint(drawings, draw(drawings, words, random.Random(seed)), made.shape[-1])
            for words in said
            for seed in range(SEEDS)
        ]
    )
    found: dict[str, Any] = {"prompts": count}
    for name, eye in eyes.items():
        ours, theirs = (
            [spread(part) for part in eye(pictures).split(SEEDS)] for pictures in (made, true)
        )
        found[name] = round(sum(ours) / sum(theirs), 4)
        found[f"{name}, by what is said"] = {
            kind: round(sum(ours[i] for i in those) / sum(theirs[i] for i in those), 4)
            for kind, those in (
                ("thing", range(0, count, 4)),
                ("thing and style", [i for i in range(count) if i % 4 in (1, 2)]),
                ("all", range(3, count, 4)),
            )
            if those
        }
    return found


def as_vector(drawings: Drawings, vocabulary: Vocabulary, one: Asked) -> Scene:
    """The first generation's scene in the second's terms: the same, from vector sources."""
    style = vocabulary.styles[one.scene.style].word
    return Scene(
        standing=tuple(
            Standing(thing=placed.thing, x=placed.x, y=placed.y, size=placed.size)
            for placed in one.scene.placed
        ),
        style=[known.word for known in drawings.world.styles].index(style),
        ground=Ground(
            kind="plain", colour=one.scene.background, second=0, turn=0, scale=0, shift=0
        ),
        light=0,
        shadow="none",
    )


def sharp(pictures: Sequence[Tensor], true: Sequence[Tensor], side: int) -> dict[str, float]:
    """Sharpness of pictures beside that of true ones, at one size."""
    ours, known = sharpness(pictures, side), sharpness(true, side)
    return {
        "edge energy": round(ours.energy / known.energy, 4),
        "99th percentile": round(ours.steep, 4),
        "true 99th percentile": round(known.steep, 4),
        "histogram distance": round(ours.distance(known), 4),
        "slope": round(ours.slope, 3),
        "true slope": round(known.slope, 3),
    }


def step_up(
    vocabulary: Vocabulary, asked: Sequence[Asked], made: dict[str, Tensor], eye: Eye
) -> dict[str, Any]:
    """How often the polish is nearer than the draft to the nearest true picture, and by how much.

    What a prompt leaves open to the first generation is the light: there are as many true pictures
    as lights. `made`: draft and polish, n × 3 × h × w each.
    """
    pictures, lights = load_pictures(vocabulary), backdrops(vocabulary)
    lit = [replace(one.scene, light=i) for one in asked for i in range(len(LIGHTS))]
    true = torch.stack([render(pictures, lights[one.ground], one, TRUE_SIDE) for one in lit])
    known = eye(true).unflatten(0, (len(asked), -1))
    far = {
        name: (known - eye(shown)[:, None]).norm(dim=-1).amin(dim=1) for name, shown in made.items()
    }
    return {
        "prompts": len(asked),
        "share": round((far["polish"] < far["draft"]).float().mean().item(), 4),
        "median of polish / draft": round((far["polish"] / far["draft"]).median().item(), 4),
    }


def measure(studio: Studio, prompts: int, polishes: int, delivered: int) -> dict[str, Any]:
    """All of it."""
    vocabulary, drawings = load_vocabulary(), load_drawings(load_words())
    by, second = load_judge(vocabulary), load_second_eye()
    eyes: dict[str, Eye] = {
        "judge": lambda shown: judge(by, shown).features,
        "second eye": lambda shown: seen_by(second, shown),
    }
    found: dict[str, Any] = {}
    if prompts:
        found["variety"] = variety(drawings, studio, prompts, eyes)
    asked = ask(vocabulary, polishes)
    drafts, polished = studio.draw(asked, polishes)
    draft, polish = ([to_tensor(one.picture) for one in made] for made in (drafts, polished))
    scenes = [as_vector(drawings, vocabulary, one) for one in asked]
    found["sharpness"] = {}
    for side in (128, 256, 512):
        true = [paint(drawings, scene, side)[None] for scene in scenes]
        found["sharpness"][f"draft at {side}"] = sharp(draft, true, side)
        found["sharpness"][f"polish at {side}"] = sharp(polish, true, side)
    if delivered:
        upscaler = load_upscaler("auto", torch.get_num_threads())
        large = [upscaler.enlarge(one.picture, 1024, 1024) for one in polished[:delivered]]
        true = [paint(drawings, scene, 1024)[None] for scene in scenes[:delivered]]
        found["sharpness"]["polish delivered at 1024"] = sharp(
            [to_tensor(one) for one in large], true, 1024
        )
    made = {"draft": torch.cat(draft), "polish": torch.cat(polish)}
    found["step up"] = step_up(vocabulary, asked, made, eyes["second eye"])
    return found


def main() -> int:
    """Print the figures and write them beside the kept pictures; 2 if a model is wrong."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate.looks", description=__doc__)
    parser.add_argument("--lite", type=Path, default=LITE)
    parser.add_argument("--full", type=Path, default=FULL)
    parser.add_argument("--out", type=Path, default=CACHE / "evaluation", help="kept pictures")
    parser.add_argument("--prompts", type=int, default=40, help="for variety, 8 drafts each")
    parser.add_argument("--polishes", type=int, default=200)
    parser.add_argument("--delivered", type=int, default=0, help="of them enlarged to 1024")
    parser.add_argument("--threads", type=int, default=0, help="0: as the engines choose")
    given = parser.parse_args()
    if not 2 <= given.polishes <= SINGLES or given.prompts < 0 or given.prompts % 4:
        parser.error(f"--polishes takes 2 to {SINGLES}, --prompts a multiple of 4")
    try:
        given.out.mkdir(parents=True, exist_ok=True)
        studio = Studio(given.lite, given.full, given.out, Polish(), given.threads)
        found = measure(studio, given.prompts, given.polishes, given.delivered)
    except (UnderpaintError, OSError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    text = json.dumps(found, indent=2) + "\n"
    (given.out / "looks.json").write_text(text)
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
