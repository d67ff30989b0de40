"""What is said about scenes: the caption for what was asked, the details for what the seed added.

A prompt is completed before it is read: to the words that people wrote come tokens for all that
they left open, drawn from the seed. So the denoiser never has to guess where a thing stands.
"""

from __future__ import annotations

from training.second.scene import SHADOWS, TILT, Asked, Scene
from training.second.words import World
from training.vocabulary import article

STEPS = 16
"""Into so many steps places, sizes and the numbers of a ground are divided."""
LEANS = 9
"""And into so many the ways in which a thing may lean; the middle one stands upright."""


def caption(world: World, asked: Asked) -> str:
    """What people would write to be given this: "a small 3d cat on a striped blue background"."""
    colours = asked.colours + (None,) * (len(asked.things) - len(asked.colours))
    nouns = [
        " ".join(
            filter(
                None,
                (
                    world.sizes[asked.size].word if asked.size is not None else "",
                    world.colours[colour].word if colour is not None else "",
                    world.styles[asked.style].word if asked.style is not None else "",
                    world.things[thing].word,
                ),
            )
        )
        for thing, colour in zip(asked.things, colours, strict=True)
    ]
    if len(nouns) == 2:
        relation = world.relations[asked.relation].word if asked.relation is not None else "and"
        phrase = f"{article(nouns[0])} {relation} {article(nouns[1])}"
    elif asked.number is not None:
        phrase = f"{world.numbers[asked.number].word} {_plural(nouns[0])}"
    else:
        phrase = article(nouns[0])
    where = ""
    if asked.position is not None:
        word = world.positions[asked.position].word
        where = f"{'at' if word in ('top', 'bottom') else 'on'} the {word}"
    return " ".join(filter(None, (phrase, where, _ground(world, asked))))


def _plural(noun: str) -> str:
    return (
        noun if noun.endswith("s") else noun + ("es" if noun.endswith(("x", "ch", "sh")) else "s")
    )


def _ground(world: World, asked: Asked) -> str:
    colour = world.colours[asked.background].word if asked.background is not None else ""
    if asked.ground is None:
        return f"on {article(colour)} background" if colour else ""
    ground = world.grounds[asked.ground].word
    if ground == "floor":
        return f"on {article(f'{colour} floor' if colour else 'floor')}"
    if ground == "hills":
        return f"before {f'{colour} hills' if colour else 'hills'}"
    return f"on {article(f'{ground} {colour}'.strip())} background"


def details(world: World, scene: Scene) -> tuple[str, ...]:
    """The tokens that say all of a scene, in a fixed order: first what holds for the whole
    picture, then, from back to front, where and how each thing stands."""
    ground = scene.ground
    whole = (
        f"<style:{world.styles[scene.style].word}>",
        f"<ground:{ground.kind}>",
        f"<colour:{world.colours[ground.colour].word}>",
        f"<second:{world.colours[ground.second].word}>",
        f"<turn:{_step(ground.turn)}>",
        f"<scale:{_step(ground.scale)}>",
        f"<shift:{_step(ground.shift)}>",
        f"<light:{scene.light}>",
        f"<shadow:{scene.shadow}>",
    )
    each = (
        token
        for one in scene.standing
        for token in (
            world.things[one.thing].token,
            f"<x:{_step(one.x)}>",
            f"<y:{_step(one.y)}>",
            f"<size:{_step(one.size)}>",
            f"<lean:{round((one.tilt / TILT + 1) / 2 * (LEANS - 1))}>",
            f"<mirrored:{'yes' if one.mirrored else 'no'}>",
            f"<own:{world.colours[one.colour].word if one.colour is not None else 'own'}>",
        )
    )
    return (*whole, *each)


def detail_tokens(world: World) -> tuple[str, ...]:
    """All tokens that `details` can give, but for the things, in the order of their ids."""
    kinds = {
        "style": [style.word for style in world.styles],
        "ground": list(world.ground_kinds),
        "colour": [colour.word for colour in world.colours],
        "second": [colour.word for colour in world.colours],
        **{kind: list(map(str, range(STEPS))) for kind in ("turn", "scale", "shift")},
        "light": list(map(str, range(8))),
        "shadow": list(SHADOWS),
        **{kind: list(map(str, range(STEPS))) for kind in ("x", "y", "size")},
        "lean": list(map(str, range(LEANS))),
        "mirrored": ["no", "yes"],
        "own": ["own", *(colour.word for colour in world.colours)],
    }
    return tuple(f"<{kind}:{word}>" for kind, words in kinds.items() for word in words)


def _step(share: float) -> int:
    return min(STEPS - 1, max(0, int(share * STEPS)))
