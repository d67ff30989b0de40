"""Scenes of the world: what stands where, how it is described, and what it looks like."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from training.data import FILL, LIGHTS, SIZE, Pictures
from training.vocabulary import Entry, Vocabulary

HELD_OUT = 5
"""One in so many combinations of thing, style and background is never trained on."""
PAIRS = 0.12
"""Share of scenes with two things."""
HALVES = (0.26, 0.74)
"""Where the middles of two things stand, along x."""
HALF_SIZES = (0.42, 0.48)
"""Between which sizes two things are."""


@dataclass(frozen=True, slots=True)
class Placed:
    """One thing of a scene; `size` is the share of the canvas that it spans, x and y its middle."""

    thing: int
    size: float
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Scene:
    """One or two things in one style on a background, as indices into the vocabulary.

    `size` and `position` are the words by which a single thing was placed, where there are any.
    Two things stand left and right, in this order.
    """

    placed: tuple[Placed, ...]
    style: int
    background: int
    size: int | None = None
    position: int | None = None
    light: int = 0

    @property
    def ground(self) -> tuple[int, int]:
        """Which of the `backdrops` it stands on."""
        return self.background, self.light

    @property
    def worded(self) -> bool:
        """Whether words say its size or its place."""
        return self.size is not None or self.position is not None

    @property
    def free(self) -> bool:
        """Whether it is a single thing that nothing said holds in its place."""
        return len(self.placed) == 1 and not self.worded


def held_out(vocabulary: Vocabulary, thing: int, style: int, background: int) -> bool:
    """Whether this combination is kept from training; by the words, so that it never changes."""
    entries = (
        vocabulary.things[thing],
        vocabulary.styles[style],
        vocabulary.backgrounds[background],
    )
    name = "|".join(entry.word for entry in entries).encode()
    return hashlib.sha256(name).digest()[0] % HELD_OUT == 0


def room(
    vocabulary: Vocabulary, size: int | None = None, position: int | None = None
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Between which sizes a single thing is by the words for it, and where its middle belongs."""
    sizes = (0.66, 0.86) if position is None else (0.46, 0.56)
    if size is not None:
        low, high = map(float, vocabulary.sizes[size].source.split("-"))
        sizes = low, high
    if position is None:
        return sizes, (0.5, 0.5)
    x, y = map(float, vocabulary.positions[position].source.split())
    return sizes, (x, y)


def centred(thing: int, style: int, background: int) -> Scene:
    """A single thing in the middle."""
    return Scene((Placed(thing, 0.76, 0.5, 0.5),), style, background)


def single(
    vocabulary: Vocabulary, thing: int, style: int, background: int, rng: random.Random
) -> Scene:
    """A thing somewhere: by words for its size or its place, or loosely around the middle."""
    size_word = position_word = None
    if rng.random() < 0.3:
        size_word = rng.randrange(len(vocabulary.sizes))
    big = size_word is not None and vocabulary.sizes[size_word].word == "big"
    if not big and rng.random() < 0.35:
        position_word = rng.randrange(len(vocabulary.positions))
    sizes, (x, y) = room(vocabulary, size_word, position_word)
    size = rng.uniform(*sizes)
    play = 0.4 * (0.5 - size / 2) if position_word is None else 0.02
    placed = Placed(thing, size, x + rng.uniform(-play, play), y + rng.uniform(-play, play))
    light = rng.randrange(len(LIGHTS))
    return Scene((placed,), style, background, size_word, position_word, light)


def settle(vocabulary: Vocabulary, scene: Scene) -> Scene:
    """The scene with every thing exactly in the middle of what the words for it allow."""
    if len(scene.placed) == 2:
        size, places = sum(HALF_SIZES) / 2, [(x, 0.5) for x in HALVES]
    else:
        sizes, place = room(vocabulary, scene.size, scene.position)
        size, places = sum(sizes) / 2, [place]
    placed = [
        Placed(one.thing, size, x, y) for one, (x, y) in zip(scene.placed, places, strict=True)
    ]
    return replace(scene, placed=tuple(placed))


def pair(left: int, right: int, style: int, background: int, rng: random.Random) -> Scene:
    """Two things side by side."""
    placed = [
        Placed(thing, rng.uniform(*HALF_SIZES), x + rng.uniform(-0.01, 0.01), 0.5)
        for thing, x in zip((left, right), HALVES, strict=True)
    ]
    return Scene(tuple(placed), style, background, light=rng.randrange(len(LIGHTS)))


def article(phrase: str) -> str:
    """The phrase with "a" or "an" before it."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def plain_caption(vocabulary: Vocabulary, scene: Scene) -> str:
    """The caption people are expected to write: "a 3d apple on a blue background"."""
    style = vocabulary.styles[scene.style].word
    background = vocabulary.backgrounds[scene.background].word
    nouns = [f"{style} {vocabulary.things[placed.thing].word}" for placed in scene.placed]
    if scene.size is not None:
        nouns[0] = f"{vocabulary.sizes[scene.size].word} {nouns[0]}"
    where = ""
    if scene.position is not None:
        word = vocabulary.positions[scene.position].word
        where = f" {'at' if word in ('top', 'bottom') else 'on'} the {word}"
    phrase = " left of ".join(map(article, nouns))
    return f"{phrase}{where} on {article(background)} background"


def caption(
    vocabulary: Vocabulary,
    colours: tuple[tuple[str | None, ...], ...],
    scene: Scene,
    rng: random.Random,
    empty: float = 0.1,
) -> str:
    """One of the many ways to describe a scene, sometimes less than completely.

    `colours`: the own colour of every thing in every style, said now and then so that the model
    learns that a colour before a thing is not the background. A share of `empty` captions makes
    guidance possible.
    """
    if rng.random() < empty:
        return ""

    def noun(index: int, style: str) -> str:
        word = vocabulary.things[index].word
        colour, roll = colours[index][scene.style], rng.random()
        if colour and roll < 0.1:
            word = f"{colour} {word}"
        elif roll < 0.15:
            word = f"{rng.choice(('cute', 'pretty', 'nice', 'unheard-of'))} {word}"
        return f"{style} {word}" if style else word

    def said(entries: tuple[Entry, ...], index: int | None, chance: float = 1.0) -> str:
        return entries[index].word if index is not None and rng.random() < chance else ""

    style = said(vocabulary.styles, scene.style, 0.88)
    background = said(vocabulary.backgrounds, scene.background, 0.88)
    nouns = [noun(placed.thing, style) for placed in scene.placed]
    on = f"on {article(background)} background" if background else ""
    if len(nouns) == 2:
        left, right = map(article, nouns)
        phrase = rng.choice(
            (f"{left} left of {right}", f"{left} and {right}", f"{right} right of {left}")
        )
        return f"{phrase} {on}".strip()
    size = said(vocabulary.sizes, scene.size)
    where = said(vocabulary.positions, scene.position)
    phrase = f"{size} {nouns[0]}".strip()
    shape = rng.random()
    if shape < 0.7:
        if where:
            where = f"{'at' if where in ('top', 'bottom') else 'on'} the {where}"
        return " ".join(filter(None, (article(phrase), where, on)))
    pieces = [phrase, where, f"{background} background" if background else ""]
    if shape < 0.85:
        pieces.reverse()
    return " ".join(filter(None, pieces))


def render(pictures: Pictures, backdrop: Tensor, scene: Scene, side: int = SIZE) -> Tensor:
    """The picture of a scene, 3 × side × side in -1..1.

    `backdrop`: the scene's background, 3 × SIZE × SIZE in 0..1, as `backdrops` makes them.
    """
    canvas = functional.adaptive_avg_pool2d(backdrop, side)
    for placed in scene.placed:
        span = round(side * placed.size / FILL)
        cut = functional.interpolate(
            pictures.rgba[placed.thing, scene.style][None],
            size=(span, span),
            mode="bilinear",
            antialias=True,
        )[0]
        layer = torch.zeros(4, side, side)
        left, top = round(side * placed.x - span / 2), round(side * placed.y - span / 2)
        here = (slice(max(0, top), top + span), slice(max(0, left), left + span))
        room = layer[:, *here].shape[1:]
        cut = cut[:, max(0, -top) :, max(0, -left) :][:, : room[0], : room[1]]
        layer[:, *here] = cut.float() / 255
        canvas = layer[:3] + (1 - layer[3:]) * canvas
    return canvas * 2 - 1
