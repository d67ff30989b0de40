"""Scenes of the second generation: words rule, seeds vary the rest, pictures are sharp."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
for name in ("tqdm", "resvg_py", "diffusers"):
    pytest.importorskip(name)

from torch.nn import functional  # noqa: E402

from training.data import rgb  # noqa: E402
from training.second.drawings import Drawings, _square, vector  # noqa: E402
from training.second.paint import paint, recolour  # noqa: E402
from training.second.say import caption, detail_tokens, details  # noqa: E402
from training.second.scene import READABLE, Asked, Ground, Scene, Standing, ask, draw  # noqa: E402
from training.second.words import load_words  # noqa: E402

KNOWN = load_words()
WORDS = [thing.word for thing in KNOWN.things]
READ = WORDS.index("hospital")
WORLD = replace(KNOWN, things=(*KNOWN.things[:5], KNOWN.things[READ]))
SIDE = 64
SEEDS = range(60)
BLUE = [colour.word for colour in WORLD.colours].index("blue")
GROUNDS = [ground.word for ground in WORLD.grounds]
RELATIONS = [relation.word for relation in WORLD.relations]


def svg(colour: str) -> str:
    """A wide shape whose left half is coloured, off the middle of its page."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side}" '
        f'viewBox="0 0 32 32"><rect x="4" y="8" width="10" height="10" fill="{colour}"/>'
        '<rect x="14" y="8" width="10" height="10" fill="#222222"/></svg>'
    )


@pytest.fixture(scope="module")
def drawings() -> Drawings:
    """Of six things in all styles but one that the last thing lacks."""
    shape = (len(WORLD.things), len(WORLD.styles))
    rgba = torch.zeros(*shape, 4, SIDE, SIDE, dtype=torch.uint8)
    for i in range(shape[0]):
        for j in range(shape[1]):
            red = 40 + 30 * i
            rgba[i, j] = torch.from_numpy(_square(svg(f"#{red:02x}20{20 * j:02x}"), SIDE))
    spans = torch.ones(*shape, 2)
    spans[..., 1] = 0.5
    there = torch.ones(shape, dtype=torch.bool)
    there[-1, -1] = False
    return Drawings(WORLD, rgba, spans, there, {})


def one(asked: Asked, drawings: Drawings, seed: int) -> Standing:
    (standing,) = draw(drawings, asked, random.Random(seed)).standing
    return standing


def plain(**changes: object) -> Scene:
    ground = Ground(kind="plain", colour=BLUE, second=0, turn=0.1, scale=0.5, shift=0.5)
    standing = (Standing(thing=3, x=0.5, y=0.5, size=0.6),)
    scene = Scene(standing=standing, style=0, ground=ground, light=0, shadow="none")
    return replace(scene, **changes)


def test_a_drawing_fills_its_square_whatever_its_page() -> None:
    pixels = torch.from_numpy(_square(svg("#ff0000"), 40))
    seen = pixels[3] > 8
    assert seen.any(dim=0).all()
    assert seen.any(dim=1).sum() == 20
    assert pixels[:, 20, 5].tolist() == [255, 0, 0, 255]


def test_a_drawing_is_found_by_its_code_point_and_through_aliases(tmp_path: Path) -> None:
    icons = {"width": 32, "height": 32, "icons": {"sun": {"body": "<path/>"}}}
    folder = tmp_path / "noto"
    folder.mkdir()
    aliased = {**icons, "aliases": {"star": {"parent": "sun"}}}
    (folder / "icons.json").write_text(json.dumps(aliased))
    (folder / "chars.json").write_text(json.dumps({"2600-fe0f": "star", "1f600": "gone"}))
    found = vector({"noto": folder}, "noto", "2600")
    assert found is not None
    assert 'viewBox="0 0 32 32"' in found
    assert vector({"noto": folder}, "noto", "1F600") is None
    assert vector({"noto": folder}, "noto", "1F601") is None


def test_what_is_said_is_in_every_scene(drawings: Drawings) -> None:
    said = Asked(
        things=(1,),
        colours=(BLUE,),
        style=2,
        position=0,
        background=3,
        ground=GROUNDS.index("dotted"),
    )
    for seed in SEEDS:
        scene = draw(drawings, said, random.Random(seed))
        (standing,) = scene.standing
        assert (standing.thing, standing.colour, scene.style) == (1, BLUE, 2)
        assert (scene.ground.colour, scene.ground.kind) == (3, "dots")
        assert standing.x < 0.4
        assert abs(standing.y - 0.5) < 0.1


@pytest.mark.parametrize("size", range(len(WORLD.sizes)))
def test_a_size_that_is_said_rules(drawings: Drawings, size: int) -> None:
    low, high = map(float, WORLD.sizes[size].source.split("-"))
    assert all(low <= one(Asked(things=(0,), size=size), drawings, s).size <= high for s in SEEDS)


def test_what_is_not_said_comes_from_the_seed(drawings: Drawings) -> None:
    scenes = [draw(drawings, Asked(things=(0,)), random.Random(seed)) for seed in SEEDS]
    assert scenes == [draw(drawings, Asked(things=(0,)), random.Random(seed)) for seed in SEEDS]
    stood = [scene.standing[0] for scene in scenes]
    for values in (
        {round(one.x, 1) for one in stood},
        {round(one.y, 1) for one in stood},
        {round(one.size, 1) for one in stood},
        {one.tilt > 0 for one in stood},
        {one.mirrored for one in stood},
        {scene.style for scene in scenes},
        {scene.light for scene in scenes},
        {scene.shadow for scene in scenes},
        {scene.ground.kind for scene in scenes},
        {scene.ground.colour for scene in scenes},
    ):
        assert len(values) > 1
    assert {scene.style for scene in scenes} == set(range(len(WORLD.styles)))


def test_things_stay_on_the_canvas_and_stand_on_floors(drawings: Drawings) -> None:
    for seed in SEEDS:
        scene = draw(drawings, Asked(things=(0,)), random.Random(seed))
        (standing,) = scene.standing
        half = standing.size / 2
        assert half <= standing.x <= 1 - half
        assert half / 2 <= standing.y <= 1 - half / 2
        if scene.ground.kind in ("floor", "hills"):
            assert standing.y + half / 2 > 0.75


def test_what_can_be_read_is_not_mirrored_and_no_drawing_is_made_up(drawings: Drawings) -> None:
    last = len(WORLD.things) - 1
    assert WORLD.things[last].word in READABLE
    for seed in SEEDS:
        scene = draw(drawings, Asked(things=(last,)), random.Random(seed))
        assert not scene.standing[0].mirrored
        assert drawings.there[last, scene.style]


def test_numbers_and_relations_are_what_they_say(drawings: Drawings) -> None:
    for number, word in enumerate(WORLD.numbers):
        scene = draw(drawings, Asked(things=(2,), number=number), random.Random(number))
        assert [standing.thing for standing in scene.standing] == [2] * int(word.source)
    for seed in SEEDS:
        rng = random.Random(seed)

        def pair(word: str, rng: random.Random = rng) -> list[Standing]:
            asked = Asked(things=(0, 1), relation=RELATIONS.index(word))
            return sorted(draw(drawings, asked, rng).standing, key=lambda one: one.thing)

        first, second = pair("and")
        assert first.x + 0.3 < second.x
        first, second = pair("above")
        assert first.y + 0.3 < second.y
        first, second = pair("on")
        assert first.y < second.y
        assert abs(first.x - second.x) < 0.1
        first, second = pair("with")
        assert second.size < first.size
    asked = Asked(things=(0, 1), relation=RELATIONS.index("behind"))
    assert draw(drawings, asked, rng).standing[0].thing == 0  # from back to front


def test_a_scene_looks_the_same_at_every_size(drawings: Drawings) -> None:
    rng = random.Random(4)
    for _ in range(20):
        scene = draw(drawings, ask(drawings, rng), rng)
        small, large = (paint(drawings, scene, side) for side in (64, 192))
        assert large.shape == (3, 192, 192)
        assert large.abs().max() <= 1
        shrunk = functional.adaptive_avg_pool2d(large, 64)
        assert (shrunk - small).abs().mean() < 0.05


def test_the_ground_has_the_colour_that_is_said(drawings: Drawings) -> None:
    true = torch.tensor(rgb(WORLD.colours[BLUE]))
    for kind in (ground.source for ground in WORLD.grounds):
        picture = paint(drawings, plain(ground=replace(plain().ground, kind=kind), standing=()), 64)
        apart = [
            (picture.mean(dim=(1, 2)) / 2 + 0.5 - torch.tensor(rgb(colour))).norm().item()
            for colour in WORLD.colours
        ]
        assert apart[BLUE] < 0.35, kind
        assert apart.index(min(apart)) in (BLUE, *_beside(BLUE)), kind
    assert (paint(drawings, plain(standing=()), 64).mean(dim=(1, 2)) / 2 + 0.5 - true).norm() < 0.1


def _beside(colour: int) -> list[int]:
    return [i for i, other in enumerate(WORLD.colours) if other.word in ("gray", "teal", "purple")]


def test_mirroring_leaning_and_shadows_are_seen(drawings: Drawings) -> None:
    standing = plain().standing[0]
    upright = paint(drawings, plain(), 96)
    mirrored = paint(drawings, plain(standing=(replace(standing, mirrored=True),)), 96)
    assert (upright.flip(-1) - mirrored).abs().mean() < 0.02
    assert (upright - mirrored).abs().mean() > 0.05
    leaning = paint(drawings, plain(standing=(replace(standing, tilt=90.0),)), 96)
    # A quarter of a turn, clockwise: what was on the left is on top.
    assert (leaning[:, 30, 48] - upright[:, 48, 30]).abs().max() < 0.2
    for shadow in ("soft", "long"):
        darker = upright - paint(drawings, plain(shadow=shadow), 96)
        assert darker.amax() > 0.1
        assert darker.amin() > -0.01


def test_recolouring_turns_the_leading_hue_and_leaves_what_has_none() -> None:
    cut = torch.zeros(4, 8, 8)
    cut[3] = 1
    cut[0, :, :6] = 0.9
    cut[:3, :, 6:] = 0.2
    turned = recolour(cut, rgb(WORLD.colours[BLUE]))
    assert turned[:, 0, 0].argmax() == 2 or turned[2, 0, 0] > turned[0, 0, 0] + 0.4
    assert torch.allclose(turned[:3, 0, 7], cut[:3, 0, 7], atol=0.02)
    assert torch.equal(turned[3], cut[3])


def test_captions_read_as_people_write() -> None:
    flat = [style.word for style in WORLD.styles].index("flat")
    cases = {
        "a cat": Asked(things=(0,)),
        "a blue flat cat on the left": Asked(things=(0,), colours=(BLUE,), style=flat, position=0),
        "a small cat on a striped blue background": Asked(
            things=(0,), size=0, background=BLUE, ground=GROUNDS.index("striped")
        ),
        "three cats on a blue floor": Asked(
            things=(0,), number=1, background=BLUE, ground=GROUNDS.index("floor")
        ),
        "a dog behind a cat": Asked(things=(1, 0), relation=RELATIONS.index("behind")),
    }
    assert {caption(WORLD, asked): asked for asked in cases.values()} == cases


def test_details_say_all_that_is_seen_in_known_tokens(drawings: Drawings) -> None:
    known = {*detail_tokens(WORLD), *(thing.token for thing in WORLD.things)}
    rng = random.Random(5)
    for _ in range(100):
        assert set(details(WORLD, draw(drawings, ask(drawings, rng), rng))) <= known
    assert len(detail_tokens(WORLD)) == len(set(detail_tokens(WORLD)))
    scene = plain()
    standing = scene.standing[0]
    for changed in (
        replace(scene, style=1),
        replace(scene, light=3),
        replace(scene, shadow="soft"),
        replace(scene, ground=replace(scene.ground, kind="floor")),
        replace(scene, standing=(replace(standing, x=0.3),)),
        replace(scene, standing=(replace(standing, tilt=12.0),)),
        replace(scene, standing=(replace(standing, mirrored=True),)),
        replace(scene, standing=(replace(standing, colour=BLUE),)),
    ):
        assert details(WORLD, changed) != details(WORLD, scene)
