"""Measure the bundled models against their targets: a table, metrics as JSON, and sheets."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderTiny
from PIL import Image
from torch import Tensor
from underpaint.contract.errors import InvalidModel, InvalidRequest, UnderpaintError

from training.data import CACHE, backdrops, load_pictures
from training.evaluate.drawing import Drawn, Polish, Studio
from training.evaluate.prompts import PAIRS, SINGLES, ask, ask_pairs
from training.evaluate.report import TRIPLES, sheets, table, triples
from training.evaluate.scores import Bench, coded, renders, view
from training.export import FULL, LITE
from training.judge import load_judge
from training.sheet import SHEETS
from training.vocabulary import load_vocabulary

TRUE_SIDE = 256


def evaluate(
    lite: Path, full: Path, out: Path, counts: tuple[int, int, int], polish: Polish, threads: int
) -> dict[str, Any]:
    """Draw and measure; sheets are written to `out`.

    Args:
        lite, full: model directories.
        out: also keeps the pictures; what is there already is not drawn again.
        counts: of prompts, of polishes, and of prompts with two things.
        polish: how Full is called.
        threads: see `Studio`.

    Raises:
        InvalidModel: a directory is no such model.
        InvalidRequest: the true pictures cannot be had, or the judge knows another world.
    """
    prompts, polishes, two = counts
    vocabulary = load_vocabulary()
    try:
        by = load_judge(vocabulary)
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"the judge cannot judge: {error}") from None
    if not (CACHE / "pictures.pt").exists() and shutil.which("npm") is None:
        raise InvalidRequest("the true pictures are fetched through npm, once; install Node.js")
    studio = Studio(lite, full, out, polish, threads)
    pictures, lights = load_pictures(vocabulary), backdrops(vocabulary)
    asked, pairs = ask(vocabulary, prompts), ask_pairs(vocabulary, two)

    drafts, polished = studio.draw(asked, polishes)
    pair_drafts, pair_polished = studio.draw(pairs, polishes)
    count, pair_count = len(polished), len(pair_polished)

    truth = renders(vocabulary, pictures, lights, asked, TRUE_SIDE)
    pair_truth = renders(vocabulary, pictures, lights, pairs, TRUE_SIDE)
    bench = Bench(by, vocabulary, asked, pairs, view(truth, prompts))
    columns: dict[str, dict[str, Any]] = {}
    said: dict[str, list[int]] = {}

    made, seconds = view(_shown(drafts), prompts), [one.seconds for one in drafts]
    columns["lite"], said["lite"] = bench.measure(made, _shown(pair_drafts), two, seconds)
    if count:
        before, seconds = made.first(count), seconds[:count]
        own, _ = bench.measure(before, _shown(pair_drafts), pair_count, seconds)
        if count < prompts:
            columns["lite, polished"] = own
        columns["full"], said["full"] = bench.measure(
            view(_shown(polished), count),
            _shown(pair_polished),
            pair_count,
            [one.seconds for one in polished],
            drafts=before,
        )
        columns["full"]["ratio"] = round(columns["full"]["seconds"] / own["seconds"], 2)
    columns["true"], _ = bench.measure(bench.true, pair_truth, two)
    for folder, side in ((lite, TRUE_SIDE // 2), (full, TRUE_SIDE)):
        # What the autoencoder alone does to true pictures: no denoiser can be better.
        autoencoder = _autoencoder(folder)
        ours, ours_paired = (
            coded(autoencoder, renders(vocabulary, pictures, lights, these, side))
            for these in (asked, pairs)
        )
        columns[f"coded {side}"], _ = bench.measure(view(ours, prompts), ours_paired, two)

    true_pictures = _painted(truth)
    sheets(out, vocabulary, asked, _shown(drafts), _shown(polished), true_pictures, said)
    if pair_count:
        words = [
            " ".join(vocabulary.things[placed.thing].word[:7] for placed in one.scene.placed)
            for one in pairs[: min(TRIPLES, pair_count)]
        ]
        triples(
            out / "pairs.jpg",
            words,
            _shown(pair_drafts),
            _shown(pair_polished),
            _painted(pair_truth),
        )
    return {"columns": columns, "calls": studio.calls}


def _shown(drawn: Sequence[Drawn]) -> list[Image.Image]:
    return [one.picture for one in drawn]


def _painted(truth: Callable[[int], Tensor]) -> Callable[[int], Image.Image]:
    def picture(i: int) -> Image.Image:
        pixels = ((truth(i)[0].permute(1, 2, 0) + 1) * 127.5).round().byte()
        return Image.fromarray(pixels.numpy())

    return picture


def _autoencoder(directory: Path) -> AutoencoderTiny:
    try:
        autoencoder: AutoencoderTiny = AutoencoderTiny.from_pretrained(
            directory / "vae", use_safetensors=True, torch_dtype=torch.float32
        )
    except (OSError, ValueError) as error:
        raise InvalidModel(f"{directory / 'vae'} does not load: {error}") from None
    return autoencoder.eval()


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("--lite", type=Path, default=LITE)
    parser.add_argument("--full", type=Path, default=FULL)
    parser.add_argument("--out", type=Path, default=CACHE / "evaluation", help="kept pictures")
    parser.add_argument("--prompts", type=int, default=SINGLES)
    parser.add_argument("--polishes", type=int, default=SINGLES, help="0 measures Lite alone")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--strength", type=float, help="of the polish; else as shipped")
    parser.add_argument("--steps", type=int, help="of the polish; else as shipped")
    parser.add_argument("--guidance", type=float, help="of the polish; else as shipped")
    parser.add_argument("--threads", type=int, default=0, help="0: as the engines choose")
    parser.add_argument(
        "--publish", action="store_true", help="copy metrics and sheets to training/sheets"
    )
    given = parser.parse_args(arguments)
    if not 1 <= given.prompts <= SINGLES or given.polishes < 0 or not 0 <= given.pairs <= PAIRS:
        parser.error(f"--prompts takes 1 to {SINGLES}, --pairs 0 to {PAIRS}, --polishes 0 or more")
    return given


def main() -> int:
    """Print the table, write metrics.json and the sheets; 2 if a model or an option is wrong."""
    given = parse()
    polish = Polish(
        strength=given.strength,
        num_inference_steps=given.steps,
        guidance_scale=given.guidance,
    )
    counts = (given.prompts, given.polishes, given.pairs)
    try:
        given.out.mkdir(parents=True, exist_ok=True)
        metrics = evaluate(given.lite, given.full, given.out, counts, polish, given.threads)
        (given.out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    except (UnderpaintError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130  # what is drawn is kept
    print(table(metrics["columns"]))
    if given.publish:
        for path in (given.out / "metrics.json", *given.out.glob("*.jpg")):
            shutil.copy(path, SHEETS / path.name)
    print(f"metrics and sheets are in {SHEETS if given.publish else given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
