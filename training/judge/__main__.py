"""Train the judge and check it on renders that it never saw."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from training.data import backdrops, load_pictures
from training.judge.lessons import Lessons, load_lessons, soften, to_check, to_learn
from training.judge.network import HEADS, Judge, judge, load_judge, make_judge, save_judge
from training.loop import RUNS, Loop
from training.scene import render
from training.vocabulary import Vocabulary, load_vocabulary

METRICS = Path(__file__).with_name("metrics.json")
SAMPLES = Path(__file__).parents[2] / "tests" / "data"
SAMPLE_SIDE, SAMPLE_COLUMNS, SAMPLE_ROWS = 96, 8, 3
TARGETS = {"thing": 0.97, "style": 0.98, "background": 0.99}
BATCH = 64
CHECK_EVERY = 500


def shares(by: Judge, lessons: Lessons, softened: bool = False) -> dict[str, float]:
    """Share of right answers of every head; `softened`: as a generator might have made them."""
    generator = torch.Generator().manual_seed(0)
    right = torch.zeros(len(HEADS))
    for pictures, answers in zip(
        lessons.pictures.split(BATCH), lessons.answers.split(BATCH), strict=True
    ):
        seen = soften(pictures, generator) if softened else pictures.float() / 127.5 - 1
        found = judge(by, seen)
        said = torch.stack([found.thing, found.style, found.background], dim=1)
        right += (said == answers).sum(dim=0)
    return {
        head: round(share, 4)
        for head, share in zip(HEADS, (right / len(lessons.answers)).tolist(), strict=True)
    }


def loss_of(logits: tuple[Tensor, ...], answers: Tensor) -> Tensor:
    """The heads' cross entropies; the thing's counts most."""
    thing, style, background = (
        functional.cross_entropy(head.float(), answers[:, i], label_smoothing=0.03)
        for i, head in enumerate(logits)
    )
    return thing + 0.3 * style + 0.3 * background


def train(vocabulary: Vocabulary, steps: int, rate: float, seed: int, device: str) -> Judge:
    """Train, or go on training; what it knows on the way is written beside the log."""
    lessons = load_lessons(vocabulary, "lessons", to_learn(vocabulary))
    unseen = load_lessons(vocabulary, "unseen", to_check(vocabulary)["unseen combinations"])
    some = Lessons(unseen.pictures[::4], unseen.answers[::4])
    torch.manual_seed(seed)
    model = make_judge(vocabulary).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    loop = Loop("judge", model, steps, rate, weight_decay=0.05, seed=seed)
    for step in loop:
        which = torch.randint(len(lessons.answers), (BATCH,), generator=loop.generator)
        seen = soften(lessons.pictures[which], loop.generator)
        seen = seen.to(device, memory_format=torch.channels_last)
        with torch.autocast(device, torch.bfloat16):
            logits = model(seen)
        loop.descend(loss_of(logits, lessons.answers[which].to(device)))
        if (step + 1) % CHECK_EVERY == 0:
            record = {"step": step + 1, **shares(model.cpu().eval(), some)}
            model.to(device).train()
            with (RUNS / "judge" / "checks.jsonl").open("a") as log:
                log.write(json.dumps(record) + "\n")
    # The averaged weights would want statistics of their own in the normalisations; at the end
    # of the cosine the weights themselves are as good.
    trained: Judge = model.cpu().eval()
    return trained


def check(vocabulary: Vocabulary) -> dict[str, dict[str, float]]:
    """Accuracy of the stored judge by kind of render, crisp and softened."""
    by = load_judge(vocabulary)
    found = {}
    for name, shown in to_check(vocabulary).items():
        lessons = load_lessons(vocabulary, name.split()[0], shown)
        found[name] = {"pictures": len(shown), **shares(by, lessons)}
        found[f"{name}, softened"] = {"pictures": len(shown), **shares(by, lessons, softened=True)}
    return found


def write_samples(vocabulary: Vocabulary, folder: Path = SAMPLES) -> None:
    """A few true renders with their words, as one sheet: tests need not fetch the pictures."""
    scenes = [one for one in to_check(vocabulary)["new placements"] if one.side == 128]
    shown = scenes[: SAMPLE_COLUMNS * SAMPLE_ROWS]
    lights, pictures = backdrops(vocabulary), load_pictures(vocabulary)
    rows = torch.stack(
        [render(pictures, lights[s.scene.ground], s.scene, SAMPLE_SIDE) for s in shown]
    ).unflatten(0, (SAMPLE_ROWS, SAMPLE_COLUMNS))
    page = ((rows.permute(0, 3, 1, 4, 2) + 1) * 127.5).round().byte().flatten(2, 3).flatten(0, 1)
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(page.numpy()).save(folder / "true-renders.png", optimize=True)
    heads = (vocabulary.things, vocabulary.styles, vocabulary.backgrounds)
    words = [
        {head: entries[i].word for head, entries, i in zip(HEADS, heads, s.answers, strict=True)}
        for s in shown
    ]
    text = json.dumps({"side": SAMPLE_SIDE, "columns": SAMPLE_COLUMNS, "words": words}, indent=1)
    (folder / "true-renders.json").write_text(text + "\n")


def main() -> None:
    """Train it, then check it; or check what is stored; or write the samples for the tests."""
    parser = argparse.ArgumentParser(prog="python -m training.judge", description=__doc__)
    parser.add_argument("what", choices=("train", "check", "samples"))
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=71)
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    vocabulary = load_vocabulary()
    if given.what == "samples":
        write_samples(vocabulary)
        return
    if given.what == "train":
        trained = train(vocabulary, given.steps, given.rate, given.seed, given.device)
        save_judge(trained, vocabulary)
    metrics = {"targets": TARGETS, **check(vocabulary)}
    METRICS.write_text(json.dumps(metrics, indent=2) + "\n")
    print(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    main()
