"""The fixed prompts: 500 of one thing, every fifth an unseen combination, and 60 of two."""

from __future__ import annotations

import random
from dataclasses import dataclass

from training.scene import Scene, held_out, pair, plain_caption, settle, single
from training.vocabulary import Vocabulary

SEED = 9
SINGLES = 500
PAIRS = 60
IN_A_ROUND = 5
"""Of so many prompts one is an unseen combination, and another one has words for size or place:
the first n prompts have the proportions of all, whatever n."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt, the seed that it is drawn with, and the settled scene that answers it."""

    prompt: str
    seed: int
    scene: Scene
    unseen: bool


def ask(vocabulary: Vocabulary, count: int = SINGLES) -> list[Asked]:
    """The first `count` prompts of one thing; they go through all the things in turn."""
    rng = random.Random(SEED)
    order = list(range(len(vocabulary.things)))
    rng.shuffle(order)
    asked = []
    for i in range(count):
        thing, unseen = order[i % len(order)], i % IN_A_ROUND == 4
        scene = _scene(vocabulary, thing, unseen, i % IN_A_ROUND == 2, rng)
        prompt = plain_caption(vocabulary, scene)
        asked.append(Asked(prompt, i, settle(vocabulary, scene), unseen))
    return asked


def ask_pairs(vocabulary: Vocabulary, count: int = PAIRS) -> list[Asked]:
    """The first `count` prompts of two different things side by side."""
    rng = random.Random(SEED + 1)
    asked = []
    for i in range(count):
        left, right = rng.sample(range(len(vocabulary.things)), 2)
        style, light = _any_of(vocabulary, rng)
        scene = settle(vocabulary, pair(left, right, style, light, rng))
        asked.append(Asked(plain_caption(vocabulary, scene), 10_000 + i, scene, False))
    return asked


def _scene(
    vocabulary: Vocabulary, thing: int, unseen: bool, worded: bool, rng: random.Random
) -> Scene:
    """One that is or is not held out, and has words for size or place or has none."""
    combinations = [
        (style, light)
        for style in range(len(vocabulary.styles))
        for light in range(len(vocabulary.backgrounds))
        if held_out(vocabulary, thing, style, light) == unseen
    ]
    style, light = rng.choice(combinations)
    while True:
        scene = single(vocabulary, thing, style, light, rng)
        if worded == scene.worded:
            return scene


def _any_of(vocabulary: Vocabulary, rng: random.Random) -> tuple[int, int]:
    return rng.randrange(len(vocabulary.styles)), rng.randrange(len(vocabulary.backgrounds))
