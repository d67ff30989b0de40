"""From pictures and what was asked to numbers: what the judge says, and what needs no judge."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from diffusers import AutoencoderTiny
from PIL import Image
from torch import Tensor

from training.data import Pictures
from training.evaluate import measures
from training.evaluate.prompts import Asked
from training.judge import Judge, Verdicts, judge, look
from training.judge.lessons import halves
from training.judge.network import to_tensor
from training.scene import Scene, render, room
from training.vocabulary import Vocabulary

SIZE_PLAY = 0.08
"""By how much, of the side, a thing may miss the size it was asked in."""

OWN_COLOUR = 0.1
"""Share of a true thing's pixels in the background's colour, above which bleeding cannot be told
from the thing's own colour, such as a lemon's on yellow."""


Source = Sequence[Image.Image] | Callable[[int], Tensor]


@dataclass(frozen=True, slots=True)
class Views:
    """Pictures as they are measured, n each, -1..1.

    `judged`: at the judge's size. `compared`: at the size where masks and colours are compared.
    `left`, `right`: their halves at the judge's size.
    """

    judged: Tensor
    compared: Tensor
    left: Tensor
    right: Tensor

    def first(self, count: int) -> Views:
        """Of the first so many pictures."""
        return Views(
            self.judged[:count], self.compared[:count], self.left[:count], self.right[:count]
        )


def view(pictures: Source, count: int) -> Views:
    """Views of pictures, or of what a function renders (1 × 3 × h × w) for 0 to count - 1."""
    rows: list[tuple[Tensor, ...]] = []
    for i in range(count):
        made = pictures(i) if callable(pictures) else to_tensor(pictures[i])
        left, right = halves(made)
        rows.append((look(made), measures.at_side(made), look(left), look(right)))
    return Views(*(torch.cat(parts) for parts in zip(*rows, strict=True)))


def renders(
    vocabulary: Vocabulary, pictures: Pictures, lights: Tensor, asked: Sequence[Asked], side: int
) -> Callable[[int], Tensor]:
    """The true picture of each prompt's scene."""
    return lambda i: render(pictures, lights[asked[i].scene.ground], asked[i].scene, side)[None]


def coded(autoencoder: AutoencoderTiny, truth: Callable[[int], Tensor]) -> Callable[[int], Tensor]:
    """The same pictures through the autoencoder: what no denoiser can better."""

    @torch.no_grad()
    def made(i: int) -> Tensor:
        latents = autoencoder.encode(truth(i)).latents
        decoded: Tensor = autoencoder.decode(latents).sample
        return decoded.clamp(-1, 1)

    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Shares of n pictures, unless said otherwise; what cannot be known is None.

    `kernel_distance`: to true renders, in the judge's features.
    `placed`: of the prompts with words for size or place, by the box of the foreground.
    `bleeding`: mean share of a thing's pixels that have the background's colour, more than in
    the true render, where that has few of them (`OWN_COLOUR`).
    `structure`: median overlap of the foreground with the draft's.
    """

    pictures: int
    thing: float
    thing_unseen: float | None
    style: float
    background: float
    kernel_distance: float | None
    placed: float | None
    bleeding: float | None
    structure: float | None = None


def score(
    by: Judge,
    vocabulary: Vocabulary,
    asked: Sequence[Asked],
    made: Views,
    true: Views,
    drafts: Views | None = None,
) -> tuple[Scores, Verdicts]:
    """What pictures of one thing are worth; `true` and `drafts` in the same order."""
    found = judge(by, made.judged)
    right = found.thing == torch.tensor([one.scene.placed[0].thing for one in asked])
    unseen = torch.tensor([one.unseen for one in asked])
    styles = torch.tensor([one.scene.style for one in asked])
    backgrounds = torch.tensor([one.scene.background for one in asked])
    masks = measures.foreground(made.compared)
    boxes = measures.boxes(masks)
    obeyed = [
        obeys(vocabulary, one.scene, box)
        for one, box in zip(asked, boxes.tolist(), strict=True)
        if one.scene.worded
    ]
    backdrops = measures.background(true.compared)
    bled = measures.bleeding(made.compared, backdrops)
    due = measures.bleeding(true.compared, backdrops)
    clear = due <= OWN_COLOUR
    bleeding = round((bled - due)[clear].mean().item(), 5) if clear.any() else None
    distance = None
    if len(asked) > 1:
        features = judge(by, true.judged).features
        distance = round(measures.kernel_distance(found.features, features), 5)
    structure = None
    if drafts is not None:
        kept = measures.overlap(masks, measures.foreground(drafts.compared))
        structure = round(kept.median().item(), 4)
    scores = Scores(
        pictures=len(asked),
        thing=_share(right),
        thing_unseen=_share(right[unseen]) if unseen.any() else None,
        style=_share(found.style == styles),
        background=_share(found.background == backgrounds),
        kernel_distance=distance,
        placed=_share(torch.tensor(obeyed)) if obeyed else None,
        bleeding=bleeding,
        structure=structure,
    )
    return scores, found


def score_pairs(by: Judge, asked: Sequence[Asked], made: Views) -> float:
    """Share of pairs with both things right and in place: the judge looks at either half."""
    left, right = judge(by, made.left).thing, judge(by, made.right).thing
    both = [
        (one.scene.placed[0].thing, one.scene.placed[1].thing) == (some, other)
        for one, some, other in zip(asked, left.tolist(), right.tolist(), strict=True)
    ]
    return _share(torch.tensor(both))


def obeys(vocabulary: Vocabulary, scene: Scene, box: Sequence[float]) -> bool:
    """Whether the foreground's box (left, top, right, bottom in 0..1) is as the words say.

    Its middle must be nearer to the asked place than to any other, the middle of the picture
    included, and its longer side in the asked range, give or take `SIZE_PLAY`.
    """
    left, top, right, bottom = box
    if scene.size is not None:
        (low, high), _ = room(vocabulary, scene.size)
        if not low - SIZE_PLAY <= max(right - left, bottom - top) <= high + SIZE_PLAY:
            return False
    if scene.position is None:
        return True
    places = [room(vocabulary, position=i)[1] for i in range(len(vocabulary.positions))]
    x, y = (left + right) / 2, (top + bottom) / 2
    distances = [(x - across) ** 2 + (y - down) ** 2 for across, down in (*places, (0.5, 0.5))]
    return distances.index(min(distances)) == scene.position


@dataclass(frozen=True, slots=True)
class Bench:
    """Where all kinds of pictures are measured alike: judge, prompts, and their true pictures.

    A source is pictures in the order of the prompts, or a function as `view` takes it.
    """

    by: Judge
    vocabulary: Vocabulary
    asked: Sequence[Asked]
    pairs: Sequence[Asked]
    true: Views

    def measure(
        self,
        made: Views,
        pairs: Source,
        pair_count: int,
        seconds: Sequence[float] = (),
        drafts: Views | None = None,
    ) -> tuple[dict[str, Any], list[int]]:
        """One column of the table, and the thing that the judge saw in each picture.

        Args:
            made: of the first so many prompts.
            pairs: of the first `pair_count` prompts of two things.
            seconds: that each picture took.
            drafts: what the pictures were made from.
        """
        count = len(made.judged)
        asked, true = self.asked[:count], self.true.first(count)
        scores, found = score(self.by, self.vocabulary, asked, made, true, drafts)
        both = None
        if pair_count:
            both = score_pairs(self.by, self.pairs[:pair_count], view(pairs, pair_count))
        median = statistics.median(seconds) if seconds else None
        return {**asdict(scores), "seconds": median, "pairs": both}, found.thing.tolist()


def _share(right: Tensor) -> float:
    return round(right.float().mean().item(), 4)
