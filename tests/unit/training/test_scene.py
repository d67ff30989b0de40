"""Scenes: what is held out, how they are described, and what they look like."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tqdm")
pytest.importorskip("resvg_py")

from training.data import FILL, SIZE, Pictures, backdrops  # noqa: E402
from training.latents import make_scenes  # noqa: E402
from training.scene import (  # noqa: E402
    HELD_OUT,
    PAIRS,
    Placed,
    Scene,
    caption,
    centred,
    held_out,
    pair,
    plain_caption,
    render,
    settle,
    single,
)
from training.vocabulary import CONTEXT_LENGTH, load_vocabulary, make_tokenizer  # noqa: E402

VOCABULARY = load_vocabulary()
TOKENIZER = make_tokenizer(VOCABULARY)
SMALL = replace(VOCABULARY, things=VOCABULARY.things[:6])
LIGHTS = backdrops(VOCABULARY)
WORDS = {
    kind: [entry.word for entry in entries]
    for kind, entries in (
        ("style", VOCABULARY.styles),
        ("background", VOCABULARY.backgrounds),
        ("size", VOCABULARY.sizes),
        ("position", VOCABULARY.positions),
    )
}
RED = (200, 0, 0)


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    """Of two things in one style: a red square and nothing, cut out as the real ones are."""
    rgba = torch.zeros(2, 1, 4, SIZE, SIZE, dtype=torch.uint8)
    edge = round(SIZE * (1 - FILL) / 2)
    for channel, value in enumerate((*RED, 255)):
        rgba[0, 0, channel, edge:-edge, edge:-edge] = value
    return Pictures(rgba, (("red",), (None,)))


def scenes(count: int = 600) -> list[Scene]:
    rng = random.Random(3)
    return [single(VOCABULARY, rng.randrange(300), 0, 3, rng) for _ in range(count)]


def tokens(prompt: str) -> list[str]:
    return TOKENIZER.convert_ids_to_tokens(TOKENIZER(prompt)["input_ids"])[1:-1]


def test_one_in_five_combinations_is_held_out_of_every_thing() -> None:
    kept = [
        sum(held_out(VOCABULARY, thing, style, light) for style in range(3) for light in range(12))
        for thing in range(len(VOCABULARY.things))
    ]
    assert abs(sum(kept) / (36 * len(kept)) - 1 / HELD_OUT) < 0.01
    # Each thing is learned from most of its combinations, and some are left to test it with.
    assert min(kept) >= 1
    assert max(kept) < 36 / 2


def test_what_is_held_out_depends_on_the_words_alone() -> None:
    turned = replace(VOCABULARY, things=VOCABULARY.things[::-1])
    last = len(turned.things) - 1
    for light in range(12):
        assert held_out(VOCABULARY, 0, 1, light) == held_out(turned, last, 1, light)


def test_no_scene_to_learn_from_is_held_out_and_every_other_is_there() -> None:
    made = make_scenes(SMALL, 2, seed=1)
    singles = [scene for scene in made if len(scene.placed) == 1]
    found = {(scene.placed[0].thing, scene.style, scene.background) for scene in singles}
    expected = {
        (thing, style, light)
        for thing in range(6)
        for style in range(3)
        for light in range(12)
        if not held_out(SMALL, thing, style, light)
    }
    assert found == expected
    assert len(singles) == 2 * len(expected)
    assert (len(made) - len(singles)) / len(made) == pytest.approx(PAIRS, abs=0.01)
    assert make_scenes(SMALL, 2, seed=1) == made
    assert make_scenes(SMALL, 2, seed=2) != made


def test_a_single_thing_is_where_its_words_say_and_inside_the_picture() -> None:
    sized = positioned = 0
    for scene in scenes():
        (placed,) = scene.placed
        half = placed.size / 2
        for middle in (placed.x, placed.y):
            assert middle - half >= -0.03
            assert middle + half <= 1.03
        if scene.size is not None:
            sized += 1
            low, high = map(float, VOCABULARY.sizes[scene.size].source.split("-"))
            assert low <= placed.size <= high
        if scene.position is not None:
            positioned += 1
            x, y = map(float, VOCABULARY.positions[scene.position].source.split())
            assert placed.x == pytest.approx(x, abs=0.021)
            assert placed.y == pytest.approx(y, abs=0.021)
    assert 120 < sized < 240
    assert 100 < positioned < 240


def test_a_settled_scene_says_the_same_and_does_not_vary() -> None:
    rng = random.Random(7)
    loose = [single(VOCABULARY, 5, 1, 3, rng) for _ in range(300)]
    loose += [pair(5, 6, 1, 3, rng) for _ in range(20)]
    by_words: dict[str, set[Scene]] = {}
    for scene in loose:
        settled = settle(VOCABULARY, scene)
        words = plain_caption(VOCABULARY, scene)
        assert plain_caption(VOCABULARY, settled) == words
        by_words.setdefault(words, set()).add(replace(settled, light=0))
        for before, after in zip(scene.placed, settled.placed, strict=True):
            assert after.size == pytest.approx(before.size, abs=0.101)
            assert (after.x, after.y) == pytest.approx((before.x, before.y), abs=0.121)
    assert len(by_words) > 10
    assert all(len(settled) == 1 for settled in by_words.values())


def test_two_things_stand_apart_left_and_right() -> None:
    rng = random.Random(1)
    for _ in range(100):
        left, right = pair(4, 2, 0, 0, rng).placed
        assert (left.thing, right.thing) == (4, 2)
        assert left.x + left.size / 2 < right.x - right.size / 2 + 0.03
        assert left.x - left.size / 2 > 0


@pytest.mark.parametrize(
    ("scene", "expected"),
    [
        (lambda apple, cat: centred(apple, 0, 8), "a 3d apple on a blue background"),
        (lambda apple, cat: centred(apple, 1, 4), "a flat apple on an orange background"),
        (
            lambda apple, cat: replace(centred(apple, 0, 8), size=1, position=2),
            "a big 3d apple at the top on a blue background",
        ),
        (
            lambda apple, cat: replace(centred(apple, 2, 8), position=0),
            "a cartoon apple on the left on a blue background",
        ),
        (
            lambda apple, cat: pair(cat, apple, 2, 11, random.Random(0)),
            "a cartoon cat left of a cartoon apple on a brown background",
        ),
    ],
)
def test_the_plain_caption_says_all_there_is(scene, expected: str) -> None:
    index = {entry.word: i for i, entry in enumerate(VOCABULARY.things)}
    assert plain_caption(VOCABULARY, scene(index["apple"], index["cat"])) == expected


def test_captions_say_nothing_that_is_not_there() -> None:
    rng = random.Random(4)
    colours = tuple(("red",) * 3 for _ in VOCABULARY.things)
    empty = 0
    for scene in scenes(2000):
        text = caption(VOCABULARY, colours, scene, rng)
        empty += not text
        words = tokens(text)
        assert len(words) <= CONTEXT_LENGTH - 2
        if not text:
            continue
        assert VOCABULARY.things[scene.placed[0].thing].token in words
        for kind, index in (("style", scene.style), ("size", scene.size)):
            said = set(words) & set(WORDS[kind])
            assert not said or said == {WORDS[kind][index]}
        # A colour is the background's, or the thing's own; and "orange" may be either.
        assert set(words) & set(WORDS["background"]) <= {"red", WORDS["background"][3]}
        said = set(words) & set(WORDS["position"])
        assert not said or said == {WORDS["position"][scene.position]}
    assert 140 < empty < 260


def test_captions_of_pairs_keep_left_and_right() -> None:
    rng = random.Random(5)
    colours = tuple((None,) * 3 for _ in VOCABULARY.things)
    index = {entry.word: i for i, entry in enumerate(VOCABULARY.things)}
    scene = pair(index["cat"], index["dog"], 0, 0, rng)
    seen = set()
    for _ in range(200):
        words = tokens(caption(VOCABULARY, colours, scene, rng, empty=0))
        assert words.index("cat") < words.index("dog") or "right" in words
        assert not ("left" in words and words.index("dog") < words.index("cat"))
        seen.add("left" if "left" in words else "right" if "right" in words else "and")
    assert seen == {"left", "right", "and"}


def test_every_prompt_of_a_scene_fits_the_context() -> None:
    rng = random.Random(6)
    for scene in (*scenes(300), *(pair(i, i + 1, 2, 9, rng) for i in range(300))):
        assert len(tokens(plain_caption(VOCABULARY, scene))) <= CONTEXT_LENGTH - 2


@pytest.mark.parametrize("side", [64, 128])
@pytest.mark.parametrize(
    "placed", [Placed(0, 0.5, 0.5, 0.5), Placed(0, 0.4, 0.3, 0.6), Placed(0, 0.8, 0.5, 0.45)]
)
def test_a_thing_is_drawn_in_its_place_and_size(
    pictures: Pictures, placed: Placed, side: int
) -> None:
    scene = Scene((placed,), 0, 8)
    made = render(pictures, LIGHTS[scene.ground], scene, side)
    assert made.shape == (3, side, side)
    assert made.min() >= -1
    assert made.max() <= 1
    red = torch.tensor(RED)[:, None, None] / 127.5 - 1
    thing = ((made - red).abs().amax(dim=0) < 0.05).nonzero()
    top, left = thing.amin(dim=0).tolist()
    bottom, right = (thing.amax(dim=0) + 1).tolist()
    assert (right - left) / side == pytest.approx(placed.size, abs=3 / side)
    assert (left + right) / 2 / side == pytest.approx(placed.x, abs=2 / side)
    assert (top + bottom) / 2 / side == pytest.approx(placed.y, abs=2 / side)
    corner = LIGHTS[8, 0][:, 0, 0] * 2 - 1
    assert (made[:, 0, 0] - corner).abs().max() < 0.02


def test_a_thing_that_reaches_over_the_edge_is_cut(pictures: Pictures) -> None:
    made = render(pictures, LIGHTS[0, 0], Scene((Placed(0, 0.6, 0.1, 0.9),), 0, 0), 64)
    assert made.shape == (3, 64, 64)
    assert made[0, 60, 2] == pytest.approx(RED[0] / 127.5 - 1, abs=0.02)


def test_both_things_of_a_pair_are_drawn(pictures: Pictures) -> None:
    scene = Scene((Placed(1, 0.45, 0.26, 0.5), Placed(0, 0.45, 0.74, 0.5)), 0, 8)
    made = render(pictures, LIGHTS[scene.ground], scene, 64)
    assert made[0, 32, 47] > made[2, 32, 47]  # red on the right
    assert made[0, 32, 16] < made[2, 32, 16]  # on the left nothing but blue
