"""What a prompt asks for, and which of its words say nothing to these models.

With `scene.draw` and `say.details` this is the text side of the pipelines: a prompt is read, what
it leaves open is drawn from the seed, and all of the scene is said to the text encoder.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from training.second.drawings import Drawings
from training.second.say import details
from training.second.scene import Asked, Scene, draw
from training.second.words import World
from training.vocabulary import FILLER, Entry

BACKGROUND = ("background", "backdrop")
STOOD_ON = ("floor", "hills")
"""Grounds that are named by themselves; the others go before the word "background"."""
TURNED = {"under": "above", "below": "above", "in front of": "behind", "right of": "and"}
"""Relations that are others told from the other end."""
AS_WELL = {"left of": "and", "wears": "with", "holds": "with", "plays": "with"}
SKIPPED = frozenset((*FILLER, "is", "are", "its", "his", "her", "some", "before", "very"))


@dataclass(frozen=True, slots=True)
class Word:
    """A stretch of the prompt that means something: its kind, and which entry of that kind."""

    kind: str
    index: int
    text: str
    turned: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What a prompt asks for; None if it names no known thing. `unread`: words that went unused,
    because they are unknown or because there is no place for a third thing."""

    asked: Asked | None
    unread: tuple[str, ...]


@cache
def _phrases(world: World) -> dict[tuple[str, ...], Word]:
    """Every spelling of every entry, by its words. A thing's name wins over other meanings."""
    found: dict[tuple[str, ...], Word] = {}

    def add(kind: str, entries: Sequence[Entry], plurals: bool = False) -> None:
        for index, entry in enumerate(entries):
            names: Iterable[str] = (entry.word, *entry.synonyms)
            for name in entry.spellings if plurals else names:
                found[tuple(name.split())] = Word(kind, index, name)

    add("position", world.positions)
    add("ground", world.grounds)
    add("style", world.styles)
    add("size", world.sizes)
    add("number", world.numbers)
    add("relation", world.relations)
    add("colour", world.colours)
    words = [relation.word for relation in world.relations]
    for names, turned in ((TURNED, True), (AS_WELL, False)):
        for name, other in names.items():
            found[tuple(name.split())] = Word("relation", words.index(other), name, turned)
    add("thing", world.things, plurals=True)
    for name, index in _fruits(world).items():
        found.setdefault((name + "s",), Word("thing", index, name + "s"))
    for name in BACKGROUND:
        found[(name,)] = Word("background", 0, name)
    return found


def _words(world: World, prompt: str) -> tuple[list[Word], list[str]]:
    """The prompt as the longest known stretches, and the words that are in none."""
    phrases, told, unread = _phrases(world), [], []
    words = re.findall(r"[\w-]+", prompt.lower())
    longest = max(map(len, phrases))
    at = 0
    while at < len(words):
        for count in range(longest, 0, -1):
            if found := phrases.get(tuple(words[at : at + count])):
                told.append(found)
                at += count
                break
        else:
            if words[at] not in SKIPPED:
                unread.append(words[at])
            at += 1
    return told, unread


def read(world: World, prompt: str) -> Reading:
    """What a prompt asks for."""
    told, unread = _words(world, prompt)
    told = _fruit(world, told)
    if not any(word.kind == "thing" for word in told):
        return Reading(None, (*unread,))
    things: list[int] = []
    colours: list[int | None] = []
    found: dict[str, int] = {}
    turned, colour, number, relation = False, None, None, None
    for at, word in enumerate(told):
        match word.kind:
            case "thing" if len(things) < 2:
                things.append(word.index)
                colours.append(colour)
                if len(things) == 1 and number is not None:
                    found["number"] = number
                if len(things) == 2 and relation is not None:
                    found["relation"], turned = relation.index, relation.turned
                colour = number = None
            case "thing":
                unread.append(word.text)
                colour = number = None
            case "colour" if _grounded(world, told[at + 1 :]):
                found.setdefault("background", word.index)
            case "colour":
                colour = word.index
            case "number":
                number = word.index
            case "relation":
                relation = word
            case "ground" if _names_ground(world, word, told[at + 1 :]):
                found.setdefault("ground", word.index)
            case "background":
                pass
            case _:
                found.setdefault(word.kind, word.index)
    if colour is not None:
        found.setdefault("background", colour)  # "a cat on blue"
    if len(things) == 2:
        # Two things have their places and sizes from how they stand.
        for kind in ("size", "position", "number"):
            found.pop(kind, None)
        if turned:
            things.reverse()
            colours.reverse()
    return Reading(Asked(things=tuple(things), colours=tuple(colours), **found), (*unread,))


def _fruits(world: World) -> dict[str, int]:
    """Colours that things have their names from: the orange."""
    colours = {colour.word for colour in world.colours}
    first = {thing.word.split()[0]: i for i, thing in enumerate(world.things) if " " in thing.word}
    return {name: index for name, index in first.items() if name in colours}


def _fruit(world: World, told: list[Word]) -> list[Word]:
    """ "an orange" is a fruit: a colour that is the first name of a thing and colours nothing."""
    fruits, made = _fruits(world), []
    for at, word in enumerate(told):
        after = told[at + 1] if at + 1 < len(told) else None
        before = told[at - 1] if at else None
        colours_nothing = after is None or after.kind == "relation"
        named = before is None or before.kind in ("size", "style", "number", "relation")
        on = before is not None and before.text == "on"
        if word.kind == "colour" and colours_nothing and named and not on and word.text in fruits:
            made.append(Word("thing", fruits[word.text], word.text))
        else:
            made.append(word)
    return made


def _grounded(world: World, after: Sequence[Word]) -> bool:
    """Whether a colour before these words is that of the ground."""
    for word in after:
        if word.kind == "ground" and world.grounds[word.index].word in STOOD_ON:
            return True
        if word.kind not in ("colour", "ground"):
            return word.kind == "background"
    return False


def _names_ground(world: World, word: Word, after: Sequence[Word]) -> bool:
    return world.grounds[word.index].word in STOOD_ON or _grounded(world, after)


def complete(drawings: Drawings, prompt: str, seed: int) -> tuple[Scene, tuple[str, ...]] | None:
    """The scene that a prompt with a seed is, and the tokens that say it; None if it names nothing.

    The same on every machine: an edge and a cloud that agree on prompt and seed see one scene.
    """
    reading = read(drawings.world, prompt)
    if reading.asked is None:
        return None
    scene = draw(drawings, reading.asked, random.Random(seed))
    return scene, details(drawings.world, scene)
