"""What prompts ask for in the second generation, and which of their words say nothing."""

from __future__ import annotations

import random

import pytest

torch = pytest.importorskip("torch")
for name in ("tqdm", "resvg_py", "diffusers"):
    pytest.importorskip(name)

from training.second.drawings import Drawings  # noqa: E402
from training.second.read import complete, read  # noqa: E402
from training.second.say import caption  # noqa: E402
from training.second.scene import Asked, ask  # noqa: E402
from training.second.words import load_words  # noqa: E402

WORLD = load_words()


def index(kind: str, word: str) -> int:
    return [entry.word for entry in getattr(WORLD, kind)].index(word)


def thing(word: str) -> int:
    return index("things", word)


@pytest.fixture(scope="module")
def drawings() -> Drawings:
    shape = (len(WORLD.things), len(WORLD.styles))
    there = torch.ones(shape, dtype=torch.bool)
    return Drawings(WORLD, torch.zeros(*shape, 4, 1, 1), torch.ones(*shape, 2), there, {})


def test_every_caption_is_read_as_what_it_says(drawings: Drawings) -> None:
    rng = random.Random(8)
    for _ in range(2000):
        asked = ask(drawings, rng)
        reading = read(WORLD, caption(WORLD, asked))
        assert reading.unread == ()
        assert reading.asked == asked, caption(WORLD, asked)


@pytest.mark.parametrize(
    ("prompt", "asked"),
    [
        ("an orange", Asked(things=(thing("orange fruit"),))),
        ("two oranges", Asked(things=(thing("orange fruit"),), number=0)),
        ("an orange cat", Asked(things=(thing("cat"),), colours=(index("colours", "orange"),))),
        ("a cat on orange", Asked(things=(thing("cat"),), background=index("colours", "orange"))),
        (
            "blue background, a red cat",
            Asked(
                things=(thing("cat"),),
                colours=(index("colours", "red"),),
                background=index("colours", "blue"),
            ),
        ),
        ("Kitten, flat style!", Asked(things=(thing("cat"),), style=index("styles", "flat"))),
        (
            "a dog under a tree",
            Asked(
                things=(thing("tree"), thing("dog")),
                colours=(None, None),
                relation=index("relations", "above"),
            ),
        ),
        (
            "a blue cat right of a dog",
            Asked(
                things=(thing("dog"), thing("cat")),
                colours=(None, index("colours", "blue")),
                relation=index("relations", "and"),
            ),
        ),
        (
            "a bear left of a fox on a polka dot pink background",
            Asked(
                things=(thing("bear"), thing("fox")),
                colours=(None, None),
                relation=index("relations", "and"),
                background=index("colours", "pink"),
                ground=index("grounds", "dotted"),
            ),
        ),
    ],
)
def test_prompts_are_read_as_people_mean_them(prompt: str, asked: Asked) -> None:
    reading = read(WORLD, prompt)
    assert reading.asked == asked
    assert reading.unread == ()


def test_what_is_not_known_and_what_has_no_place_is_told() -> None:
    reading = read(WORLD, "a majestic cat playing guitar on the moon")
    assert reading.asked is not None
    assert reading.asked.things == (thing("cat"), thing("guitar"))
    assert reading.asked.relation == index("relations", "with")
    assert reading.unread == ("majestic", "moon")
    assert read(WORLD, "democracy on a blue background").asked is None


def test_a_prompt_with_a_seed_is_one_scene(drawings: Drawings) -> None:
    first, again, other = (complete(drawings, "a flat cat", seed) for seed in (3, 3, 4))
    assert first == again
    assert first is not None
    assert other is not None
    assert first[1] != other[1]
    assert "<style:flat>" in first[1]
    assert "<style:flat>" in other[1]
    assert complete(drawings, "democracy", 3) is None
