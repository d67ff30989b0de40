"""The fixed prompts, the kept pictures, and the table beside its targets."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
for name in ("tqdm", "resvg_py", "diffusers"):
    pytest.importorskip(name)

from PIL import Image  # noqa: E402

from training.evaluate.__main__ import main, parse  # noqa: E402
from training.evaluate.drawing import Album, Drawn, digest  # noqa: E402
from training.evaluate.prompts import PAIRS, SINGLES, ask, ask_pairs  # noqa: E402
from training.evaluate.report import sheets, table, target  # noqa: E402
from training.evaluate.scores import obeys  # noqa: E402
from training.scene import centred, held_out, plain_caption  # noqa: E402
from training.vocabulary import load_vocabulary  # noqa: E402

VOCABULARY = load_vocabulary()
ASKED = ask(VOCABULARY)
SIZES = [entry.word for entry in VOCABULARY.sizes]
POSITIONS = [entry.word for entry in VOCABULARY.positions]


def test_the_prompts_are_fixed_and_in_their_proportions() -> None:
    assert len(ASKED) == SINGLES
    assert ask(VOCABULARY) == ASKED
    assert ask(VOCABULARY, 40) == ASKED[:40]
    for count in (SINGLES, 50):
        some = ASKED[:count]
        assert sum(one.unseen for one in some) == count // 5
        assert sum(one.scene.worded for one in some) == count // 5
    assert {one.scene.placed[0].thing for one in ASKED} == set(range(len(VOCABULARY.things)))
    assert len({one.seed for one in (*ASKED, *ask_pairs(VOCABULARY))}) == SINGLES + PAIRS


def test_unseen_means_held_out_and_the_prompt_says_what_the_scene_is() -> None:
    for one in ASKED:
        (placed,) = one.scene.placed
        kept = held_out(VOCABULARY, placed.thing, one.scene.style, one.scene.background)
        assert kept == one.unseen
        assert one.prompt == plain_caption(VOCABULARY, one.scene)


def test_pairs_are_of_two_things() -> None:
    for one in ask_pairs(VOCABULARY):
        left, right = (VOCABULARY.things[placed.thing].word for placed in one.scene.placed)
        assert left != right
        assert f"{left} left of a" in one.prompt
        assert right in one.prompt


@pytest.mark.parametrize(
    ("size", "position", "box", "expected"),
    [
        (None, "left", (0.05, 0.25, 0.55, 0.75), True),
        (None, "left", (0.25, 0.25, 0.75, 0.75), False),  # in the middle
        (None, "top", (0.25, 0.0, 0.75, 0.5), True),
        (None, "top", (0.25, 0.5, 0.75, 1.0), False),
        ("small", None, (0.3, 0.3, 0.75, 0.7), True),
        ("small", None, (0.1, 0.3, 0.9, 0.7), False),
        ("big", None, (0.1, 0.3, 0.95, 0.7), True),
        ("small", "right", (0.5, 0.3, 0.95, 0.7), True),
        ("small", "right", (0.05, 0.3, 0.5, 0.7), False),
    ],
)
def test_size_and_place_are_read_from_the_box(size, position, box, expected: bool) -> None:
    scene = centred(0, 0, 0)
    words = {
        "size": SIZES.index(size) if size else None,
        "position": POSITIONS.index(position) if position else None,
    }
    scene = type(scene)(scene.placed, 0, 0, **words)
    assert obeys(VOCABULARY, scene, box) is expected


def test_a_kept_picture_is_found_again_if_made_from_the_same(tmp_path: Path) -> None:
    album = Album(tmp_path / "drafts")
    made_from = {"prompt": "a cat", "guidance_scale": 1.0}
    assert album.find(3, made_from) is None
    album.keep(3, made_from, Drawn(Image.new("RGB", (8, 8), "red"), 0.25))
    found = album.find(3, made_from)
    assert found is not None
    assert found.seconds == 0.25
    assert found.picture.getpixel((0, 0)) == (255, 0, 0)
    assert album.find(4, made_from) is None
    assert album.find(3, {**made_from, "guidance_scale": 2.0}) is None


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_a_picture_that_was_cut_short_is_drawn_again(tmp_path: Path, content: bytes) -> None:
    album = Album(tmp_path)
    album.keep(0, {}, Drawn(Image.linear_gradient("L").convert("RGB"), 1.0))
    (path,) = tmp_path.glob("*.png")
    path.write_bytes(content or path.read_bytes()[:300])
    assert album.find(0, {}) is None


def test_a_digest_tells_weights_apart_and_forgets_the_card(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"1")
    (tmp_path / "README.md").write_text("one")
    first = digest(tmp_path)
    (tmp_path / "README.md").write_text("two")
    assert digest(tmp_path) == first
    (tmp_path / "a.safetensors").write_bytes(b"2")
    assert digest(tmp_path) != first


LITE = {"pictures": 500, "thing": 0.9, "kernel_distance": 0.4, "pairs": 0.3, "bleeding": 0.02}


@pytest.mark.parametrize(
    ("tier", "measure", "value", "met"),
    [
        ("lite", "thing", 0.85, True),
        ("lite", "thing", 0.849, False),
        ("full", "thing", 0.9, False),
        ("full", "structure", 0.81, True),
        ("full", "ratio", 23.9, False),
        ("full", "kernel_distance", 0.2, True),
        ("full", "kernel_distance", 0.21, False),
        ("full", "pairs", 0.3, False),
        ("full", "pairs", 0.31, True),
        ("full", "bleeding", 0.019, True),
        ("full", "bleeding", None, None),
        ("lite", "kernel_distance", 0.4, None),
        ("true", "thing", 0.1, None),
    ],
)
def test_targets_are_those_of_the_plan(tier: str, measure: str, value, met) -> None:
    assert target(tier, measure, value, LITE)[1] is met


def test_the_table_stands_beside_its_targets() -> None:
    full = {"pictures": 500, "thing": 0.96, "ratio": 20.0, "bleeding": 0.01}
    text = table({"lite": LITE, "full": full, "true": {"pictures": 500, "thing": 1.0}})
    lines = {line[:34].strip(): " ".join(line[34:].split()) for line in text.splitlines()}
    assert lines["thing, top-1"] == "90.0% >= 85.0% met 96.0% >= 95.0% met 100.0%"
    assert lines["time, polish / draft"] == "20.0 >= 24.0 MISSED"
    assert lines["kernel distance"] == "0.400 half of Lite"


def test_sheets_show_what_there_is_and_what_went_wrong(tmp_path: Path) -> None:
    red, blue = (Image.new("RGB", (16, 16), colour) for colour in ("red", "blue"))
    asked = ASKED[:4]
    things = [one.scene.placed[0].thing for one in asked]
    said = {"lite": [*things[:3], things[0]], "full": things[:2]}
    sheets(tmp_path, VOCABULARY, asked, [red] * 4, [blue] * 2, lambda i: red, said)
    assert {path.name for path in tmp_path.iterdir()} == {
        "lite.jpg",
        "full-from-lite.jpg",
        "lite-failures.jpg",
    }
    page = Image.open(tmp_path / "full-from-lite.jpg").convert("RGB")
    reddish, bluish = page.getpixel((50, 50)), page.getpixel((200, 50))
    assert reddish[0] > 200 > reddish[2]
    assert bluish[2] > 200 > bluish[0]


def test_a_model_that_is_none_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    words = ["evaluate", f"--lite={empty}", f"--out={tmp_path / 'out'}", "--prompts=1"]
    monkeypatch.setattr("sys.argv", words)
    assert main() == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "empty is empty" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("words", [["--prompts=0"], ["--prompts=501"], ["--polishes=-1"]])
def test_numbers_out_of_range_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(words)
    assert ended.value.code == 2
