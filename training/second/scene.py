"""Scenes of the second generation: what is asked, and all that a seed may add to it.

A word that is said rules. Place, size, tilt, mirror, colours, light, shadow, ground and the drawing
itself come from the seed where no word says them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from training.second.drawings import Drawings
from training.second.words import World

MARGIN = 0.03
"""Share of the canvas that stays free between a thing and the border."""
TILT = 18.0
"""Degrees, the most that a thing leans to either side."""
UPRIGHT = 0.5
"""Share of things that do not lean."""
READABLE = frozenset(
    (
        *("alarm clock", "watch", "hospital", "ambulance", "police car", "taxi", "hourglass"),
        *(
            "compass",
            "mailbox",
            "game controller",
            "piano",
            "television",
            "fire truck",
            "package",
            "dice",
        ),
    )
)
"""Things with letters, figures or a fixed order on them: never mirrored."""
GROUNDS = {
    **{"plain": 0.34, "gradient": 0.2, "floor": 0.16, "glow": 0.08, "rays": 0.06, "hills": 0.06},
    **{"stripes": 0.04, "dots": 0.03, "checks": 0.03},
}
"""How often a ground is which, where no word says it."""
SHADOWS = ("none", "soft", "long")
STOOD_ON = ("floor", "hills")
"""Grounds with a horizon: what has no place of its own stands below it."""
RECOLOURED = 0.06
"""Share of things that are asked for in another colour than their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a prompt says, as indices into the world's words; None where it says nothing.

    `things`: one, or two that stand in a `relation`. `colours`: one a thing, where it is said.
    `number`: of one thing.
    """

    things: tuple[int, ...]
    colours: tuple[int | None, ...] = (None,)
    style: int | None = None
    size: int | None = None
    position: int | None = None
    number: int | None = None
    relation: int | None = None
    background: int | None = None
    ground: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One thing of a scene: where its middle is, its longer side as a share of the canvas, how it
    leans (degrees, clockwise), and the colour that it was given, if it was."""

    thing: int
    x: float
    y: float
    size: float
    tilt: float = 0.0
    mirrored: bool = False
    colour: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What stands behind. `second`: the other colour of what has two. `turn`, `scale`, `shift`, in
    0..1, set the pattern."""

    kind: str
    colour: int
    second: int
    turn: float
    scale: float
    shift: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All of a picture: things from back to front, in one style, before a ground.

    `light`: where it comes from, in eighths of a turn from the top; `shadow`: one of `SHADOWS`.
    """

    standing: tuple[Standing, ...]
    style: int
    ground: Ground
    light: int
    shadow: str


def draw(drawings: Drawings, asked: Asked, rng: random.Random) -> Scene:
    """A scene that answers what is asked; all else as the seed has it."""
    world = drawings.world
    style = asked.style
    if style is None:
        common = set.intersection(*(set(drawings.of(thing)) for thing in asked.things))
        style = rng.choice(sorted(common))
    ground = _ground(world, asked, rng)
    places = _places(drawings, asked, style, rng)
    if ground.kind in STOOD_ON and len(places) == 1 and asked.position is None:
        places = [_on_floor(drawings, style, asked.things[0], places[0], rng)]
    colours = asked.colours + (None,) * (len(asked.things) - len(asked.colours))
    standing = [
        Standing(
            thing=thing,
            x=x,
            y=y,
            size=size,
            tilt=_tilt(rng, 0.4 if len(places) > 1 else 1.0),
            mirrored=world.things[thing].word not in READABLE and rng.random() < 0.5,
            colour=colours[which],
        )
        for (x, y, size), which in places
        for thing in [asked.things[which]]
    ]
    shadow = rng.choices(SHADOWS, (0.35, 0.35, 0.3))[0]
    if ground.kind in STOOD_ON and shadow == "none":
        shadow = "long"
    return Scene(
        standing=tuple(standing),
        style=style,
        ground=ground,
        light=rng.randrange(8),
        shadow=shadow,
    )


def _on_floor(
    drawings: Drawings, style: int, thing: int, place: Place, rng: random.Random
) -> Place:
    (x, _, size), which = place
    high = size * drawings.spans[thing, style, 1].item()
    foot = max(rng.uniform(0.78, 0.95), MARGIN + high)
    return (x, foot - high / 2, size), which


def _tilt(rng: random.Random, much: float) -> float:
    return 0.0 if rng.random() < UPRIGHT else rng.uniform(-TILT, TILT) * much


def _ground(world: World, asked: Asked, rng: random.Random) -> Ground:
    kind = rng.choices(tuple(GROUNDS), tuple(GROUNDS.values()))[0]
    if asked.ground is not None:
        kind = world.grounds[asked.ground].source
    colour = asked.background
    if colour is None:
        colour = rng.randrange(len(world.colours))
    return Ground(
        kind=kind,
        colour=colour,
        second=rng.randrange(len(world.colours)),
        turn=rng.random(),
        scale=rng.random(),
        shift=rng.random(),
    )


Place = tuple[tuple[float, float, float], int]
"""x, y and size, and which of the things that are asked for stands there."""


def _places(drawings: Drawings, asked: Asked, style: int, rng: random.Random) -> list[Place]:
    if len(asked.things) == 2:
        return _pair(drawings, asked, style, rng)
    if asked.number is not None:
        return _several(int(drawings.world.numbers[asked.number].source), rng)
    wide, high = drawings.spans[asked.things[0], style].tolist()
    return [(_single(drawings.world, asked, wide, high, rng), 0)]


def _single(
    world: World, asked: Asked, wide: float, high: float, rng: random.Random
) -> tuple[float, float, float]:
    low, top = (0.42, 0.56) if asked.position is not None else (0.44, 0.88)
    if asked.size is not None:
        low, top = map(float, world.sizes[asked.size].source.split("-"))
    # Mostly large, sometimes small: what is looked at should be seen.
    size = rng.triangular(low, top, low + 0.7 * (top - low))
    free = [max(0.0, 0.5 - MARGIN - size * span / 2) for span in (wide, high)]
    if asked.position is not None:
        x, y = map(float, world.positions[asked.position].source.split())
        x, y = x + rng.uniform(-0.03, 0.03), y + rng.uniform(-0.03, 0.03)
    else:
        x, y = (0.5 + rng.uniform(-1, 1) * room for room in free)
    held = [min(max(at, 0.5 - room), 0.5 + room) for at, room in zip((x, y), free, strict=True)]
    return held[0], held[1], size


LAYOUTS = {
    2: ((0.28, 0.5), (0.72, 0.5)),
    3: ((0.5, 0.29), (0.28, 0.7), (0.72, 0.7)),
    4: ((0.28, 0.28), (0.72, 0.28), (0.28, 0.72), (0.72, 0.72)),
    5: ((0.24, 0.25), (0.76, 0.25), (0.5, 0.5), (0.24, 0.75), (0.76, 0.75)),
}
"""Where so many of one thing stand, give or take a little."""
EACH = {2: 0.42, 3: 0.37, 4: 0.36, 5: 0.29}
"""And how large they are."""


def _several(count: int, rng: random.Random) -> list[Place]:
    size, upside = EACH[count] * rng.uniform(0.88, 1.05), rng.random() < 0.5
    places: list[Place] = []
    for x, y in LAYOUTS[count]:
        x, y = x + rng.uniform(-0.025, 0.025), (1 - y if upside else y) + rng.uniform(-0.025, 0.025)
        places.append(((x, y, size * rng.uniform(0.94, 1.06)), 0))
    return places


def _pair(drawings: Drawings, asked: Asked, style: int, rng: random.Random) -> list[Place]:
    """Two things, from back to front."""
    how = "beside"
    if asked.relation is not None:
        how = drawings.world.relations[asked.relation].source
    heights = [drawings.spans[thing, style, 1].item() for thing in asked.things]
    if how == "beside":
        first, second = rng.uniform(0.4, 0.47), rng.uniform(0.4, 0.47)
        foot = 0.5 + max(first * heights[0], second * heights[1]) / 2 + rng.uniform(-0.05, 0.12)
        lined = rng.random() < 0.6
        ys = [
            foot - size * high / 2 if lined else 0.5 + rng.uniform(-0.08, 0.08)
            for size, high in zip((first, second), heights, strict=True)
        ]
        left = 0.26 + rng.uniform(-0.02, 0.02)
        return [((left, ys[0], first), 0), ((left + 0.48, ys[1], second), 1)]
    if how == "above":
        first, second = rng.uniform(0.36, 0.44), rng.uniform(0.36, 0.44)
        x = rng.uniform(0.4, 0.6)
        return [((x, 0.26, first), 0), ((1 - x, 0.74, second), 1)]
    if how == "on":
        upper, lower = rng.uniform(0.36, 0.42), rng.uniform(0.5, 0.58)
        x, foot = rng.uniform(0.44, 0.56), rng.uniform(0.9, 0.95)
        seat = foot - lower * heights[1]
        y = max(MARGIN + upper * heights[0] / 2, seat + 0.05 - upper * heights[0] / 2)
        return [((x, foot - lower * heights[1] / 2, lower), 1), ((x, y, upper), 0)]
    if how == "behind":
        back, front = rng.uniform(0.56, 0.64), rng.uniform(0.4, 0.46)
        aside = rng.choice((-1, 1)) * rng.uniform(0.12, 0.18)
        return [((0.5 + aside, 0.4, back), 0), ((0.5 - aside, 0.7, front), 1)]
    held, holder = rng.uniform(0.32, 0.38), rng.uniform(0.64, 0.72)
    aside = rng.choice((-1, 1)) * rng.uniform(0.14, 0.2)
    return [((0.5 - aside / 2, 0.45, holder), 0), ((0.5 + aside, 0.74, held), 1)]


def ask(
    drawings: Drawings, rng: random.Random, pairs: float = 0.16, several: float = 0.08
) -> Asked:
    """A prompt's worth of words at random: some are said, most are left to the seed."""
    world = drawings.world

    def maybe(entries: tuple[object, ...], chance: float) -> int | None:
        return rng.randrange(len(entries)) if rng.random() < chance else None

    roll = rng.random()
    count = 2 if roll < pairs else 1
    things = tuple(rng.sample(range(len(world.things)), count))
    styles = sorted(set.intersection(*(set(drawings.of(thing)) for thing in things)))
    style = rng.choice(styles) if rng.random() < 0.5 else None
    number = maybe(world.numbers, 1.0) if pairs <= roll < pairs + several else None
    alone = count == 1 and number is None
    size = maybe(world.sizes, 0.2) if alone else None
    big = size is not None and world.sizes[size].word == "big"
    return Asked(
        things=things,
        colours=tuple(maybe(world.colours, RECOLOURED) for _ in things),
        style=style,
        size=size,
        position=maybe(world.positions, 0.2) if alone and not big else None,
        number=number,
        relation=maybe(world.relations, 1.0) if count == 2 else None,
        background=maybe(world.colours, 0.5),
        ground=maybe(world.grounds, 0.25),
    )
