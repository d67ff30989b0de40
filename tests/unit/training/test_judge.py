"""The judge as it is stored: right about true renders, crisp or soft, and of this world."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
for name in ("tqdm", "resvg_py", "safetensors", "diffusers"):
    pytest.importorskip(name)

from PIL import Image, ImageFilter  # noqa: E402

from training.judge import Judge, judge, load_judge, look  # noqa: E402
from training.judge.lessons import SIDE, halves, soften, to_check, to_learn  # noqa: E402
from training.judge.network import HEADS, WEIGHTS, to_tensor  # noqa: E402
from training.scene import held_out  # noqa: E402
from training.vocabulary import load_vocabulary  # noqa: E402

VOCABULARY = load_vocabulary()
DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="module")
def by() -> Judge:
    return load_judge(VOCABULARY)


@pytest.fixture(scope="module")
def samples() -> list[tuple[Image.Image, tuple[str, ...]]]:
    """True renders that no lesson showed, with the words for what is in them."""
    labels = json.loads((DATA / "true-renders.json").read_text())
    page, side = Image.open(DATA / "true-renders.png").convert("RGB"), labels["side"]
    found = []
    for i, words in enumerate(labels["words"]):
        y, x = (part * side for part in divmod(i, labels["columns"]))
        found.append((page.crop((x, y, x + side, y + side)), tuple(words[head] for head in HEADS)))
    return found


def said(by: Judge, pictures: list[Image.Image]) -> list[tuple[str, ...]]:
    found = judge(by, pictures)
    heads = (VOCABULARY.things, VOCABULARY.styles, VOCABULARY.backgrounds)
    answers = (found.thing, found.style, found.background)
    words = [
        [entries[i].word for i in answer.tolist()]
        for entries, answer in zip(heads, answers, strict=True)
    ]
    return list(zip(*words, strict=True))


@pytest.mark.parametrize("soft", [0, 1], ids=["crisp", "soft"])
def test_true_renders_are_recognised(by: Judge, samples: list, soft: int) -> None:
    pictures = [picture.filter(ImageFilter.GaussianBlur(soft)) for picture, _ in samples]
    found = said(by, pictures)
    assert len(found) == 24
    for head in range(len(HEADS)):
        wrong = [
            (words[head], other[head])
            for (_, words), other in zip(samples, found, strict=True)
            if words[head] != other[head]
        ]
        assert len(wrong) <= 1, wrong


def test_the_size_of_a_picture_does_not_matter(by: Judge, samples: list) -> None:
    pictures = [picture for picture, _ in samples]
    larger = [picture.resize((256, 256), Image.Resampling.BICUBIC) for picture in pictures]
    agree = (judge(by, pictures).thing == judge(by, larger).thing).sum()
    assert agree >= 23


def test_a_picture_of_nothing_is_no_thing_in_particular(by: Judge) -> None:
    with torch.no_grad():
        logits = by(look(to_tensor(Image.new("RGB", (128, 128), "#4c8fe0"))))[0]
    assert logits.softmax(dim=1).max() < 0.9


def test_no_pictures_have_no_verdicts(by: Judge) -> None:
    assert len(judge(by, []).thing) == 0


def test_it_is_small_and_reached_its_targets() -> None:
    assert WEIGHTS.stat().st_size <= 4 * 2**20
    metrics = json.loads(WEIGHTS.with_name("metrics.json").read_text())
    for kind in ("unseen combinations", "new placements"):
        for head, share in metrics["targets"].items():
            assert metrics[kind][head] >= share, (kind, head)


def test_it_does_not_judge_another_world() -> None:
    with pytest.raises(ValueError, match="another vocabulary"):
        load_judge(replace(VOCABULARY, things=VOCABULARY.things[1:]))


def test_it_is_checked_on_what_it_never_saw() -> None:
    learnt = {one.scene for one in to_learn(VOCABULARY)}
    for name, shown in to_check(VOCABULARY).items():
        assert not learnt & {one.scene for one in shown}
        for one in shown:
            thing, style, light = one.answers
            if name != "halves of pairs":
                assert held_out(VOCABULARY, thing, style, light) == (name == "unseen combinations")
    assert not any(held_out(VOCABULARY, *one.answers) for one in to_learn(VOCABULARY)[:5000])


def test_halves_are_the_places_of_a_pair() -> None:
    picture = torch.zeros(1, 3, 64, 64)
    picture[..., 32, 16], picture[..., 32, 48] = 1, 2
    left, right = halves(picture)
    assert left.shape == right.shape == (1, 3, 32, 32)
    assert left[0, 0, 16, 16] == 1
    assert right[0, 0, 16, 16] == 2


def test_softening_changes_how_it_looks_and_not_what_it_is() -> None:
    renders = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    renders = renders.repeat_interleave(10, 2).repeat_interleave(10, 3)
    assert renders.shape[-1] == SIDE
    generator = torch.Generator().manual_seed(0)
    crisp = renders.float() / 127.5 - 1
    for _ in range(20):
        made = soften(renders, generator)
        assert made.shape == crisp.shape
        assert made.min() >= -1
        assert made.max() <= 1
        assert 0 < (made - crisp).abs().mean() < 0.35
