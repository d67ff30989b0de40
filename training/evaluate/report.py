"""The table beside its targets, and the sheets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from PIL import Image

from training.evaluate.prompts import Asked
from training.sheet import gallery, in_rows, save_small
from training.vocabulary import Vocabulary

Column = Mapping[str, Any]
SIDE = 96
"""Pixels of a picture on a sheet."""
TRIPLES = 18
"""Of draft, polish and truth on a sheet; three a row."""

MEASURES: Final = {
    "thing": "thing, top-1",
    "thing_unseen": "thing, top-1, unseen combinations",
    "style": "style",
    "background": "background",
    "kernel_distance": "kernel distance",
    "structure": "draft's structure kept, median",
    "seconds": "seconds a picture, median",
    "ratio": "time, polish / draft",
    "pairs": "two things, both right and in place",
    "bleeding": "colour bleeding",
    "placed": "size and place as worded",
}
AT_LEAST: Final = {
    "lite": {"thing": 0.85, "thing_unseen": 0.75, "style": 0.90, "background": 0.97},
    "full": {
        **{"thing": 0.95, "thing_unseen": 0.90, "style": 0.95, "background": 0.98},
        **{"structure": 0.80, "ratio": 24.0},
    },
}
_AGAINST_LITE: Final[dict[str, tuple[str, Callable[[float, float], bool]]]] = {
    "kernel_distance": ("half of Lite", lambda full, lite: full <= lite / 2),
    "pairs": ("> Lite", lambda full, lite: full > lite),
    "bleeding": ("< Lite", lambda full, lite: full < lite),
}
_SHARES: Final = ("thing", "thing_unseen", "style", "background", "pairs", "bleeding", "placed")


def target(tier: str, measure: str, value: float | None, lite: Column) -> tuple[str, bool | None]:
    """What is asked of a tier, in words, and whether it is met; None where it is not known.

    `lite`: Lite's own measures of the pictures that Full polished.
    """
    least = AT_LEAST.get(tier, {}).get(measure)
    if least is not None:
        met = None if value is None else value >= least
        return f">= {_number(measure, least)}", met
    if tier == "full" and measure in _AGAINST_LITE:
        words, better = _AGAINST_LITE[measure]
        other = lite.get(measure)
        return words, None if value is None or other is None else better(value, other)
    return "", None


def table(columns: Mapping[str, Column]) -> str:
    """All measures of all columns; targets stand beside those of Lite and Full."""
    lite = columns.get("lite, polished", columns["lite"])
    heads = ["", *(head for name in columns for head in (name, *["target"] * (name in AT_LEAST)))]
    rows = [heads, ["pictures", *_cells(columns, "pictures", lite)]]
    rows += [[words, *_cells(columns, measure, lite)] for measure, words in MEASURES.items()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(heads))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 or heads[i] == "target" else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _cells(columns: Mapping[str, Column], measure: str, lite: Column) -> list[str]:
    cells = []
    for name, column in columns.items():
        value = column.get(measure)
        cells.append("" if value is None else _number(measure, value))
        if name in AT_LEAST:
            words, met = target(name, measure, value, lite)
            cells.append(f"{words} {'' if met is None else 'met' if met else 'MISSED'}".strip())
    return cells


def _number(measure: str, value: float) -> str:
    if measure in _SHARES:
        return f"{value:.1%}"
    if measure == "pictures":
        return f"{value:.0f}"
    return f"{value:.1f}" if measure == "ratio" else f"{value:.3f}"


def sheets(
    out: Path,
    vocabulary: Vocabulary,
    asked: Sequence[Asked],
    drafts: Sequence[Image.Image],
    polished: Sequence[Image.Image],
    truth: Callable[[int], Image.Image],
    said: Mapping[str, Sequence[int]],
) -> None:
    """Drafts, drafts beside polishes and the truth, and what went wrong, as PNG.

    `said`: the thing the judge saw in each picture, by tier.
    """

    def word(i: int) -> str:
        return vocabulary.things[asked[i].scene.placed[0].thing].word

    # The prompts go through the things by chance: the first are as good as any.
    some = [(word(i), draft) for i, draft in enumerate(drafts[:60])]
    save_small(gallery(in_rows(some, 10), SIDE), out / "lite.jpg")
    if polished:
        words = [word(i) for i in range(min(TRIPLES, len(polished)))]
        triples(out / "full-from-lite.jpg", words, drafts, polished, truth)
    for tier, made in (("lite", drafts), ("full", polished)):
        wrong = [
            (f"{word(i)} > {vocabulary.things[seen].word}", picture)
            for i, (picture, seen) in enumerate(zip(made, said.get(tier, ()), strict=True))
            if seen != asked[i].scene.placed[0].thing
        ]
        if wrong:
            save_small(gallery(in_rows(wrong[:40], 8), 128), out / f"{tier}-failures.jpg")


def triples(
    path: Path,
    words: Sequence[str],
    drafts: Sequence[Image.Image],
    polished: Sequence[Image.Image],
    truth: Callable[[int], Image.Image],
) -> None:
    """A sheet of draft, polish and true picture side by side, a triple for each of the words."""
    shown = [
        labelled
        for i, word in enumerate(words)
        for labelled in ((word, drafts[i]), ("polished", polished[i]), ("true", truth(i)))
    ]
    save_small(gallery(in_rows(shown, 9), SIDE * 3 // 2), path)
