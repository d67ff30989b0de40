"""Fewer steps, then a smaller picture: the least change that fits a ceiling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from underpaint.contract.generation import MAX_SIDE, MIN_SIDE, SIDE_MULTIPLE, GenerationRequest

T = TypeVar("T")
# The most a request can cost somewhere, in micro-dollars; never less for more steps or pixels.
Bound = Callable[[GenerationRequest], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Steps and pixels; None is no limit."""

    num_inference_steps: int | None = None
    width: int | None = None
    height: int | None = None

    def __bool__(self) -> bool:
        return any(each is not None for each in (self.num_inference_steps, self.width, self.height))


NO_LIMITS: Final = Limits()


def beyond(request: GenerationRequest, most: Limits) -> str:
    """The first limit a request exceeds, in words; empty if none."""
    for name in ("num_inference_steps", "width", "height"):
        limit, asked = getattr(most, name), getattr(request, name)
        if limit is not None and asked > limit:
            return f"{name} is {asked}, and it takes at most {limit}"
    return ""


def fit(
    request: GenerationRequest,
    bound: Bound,
    *,
    ceiling_usd_micros: int | None,
    most: Limits,
    least: Limits,
) -> GenerationRequest | None:
    """The request with as many steps, then as large, as the limits and the ceiling allow.

    The proportions stay, to the next multiple of 8 pixels. None if even the least that is
    allowed costs more than the ceiling.

    Args:
        request: as it was asked.
        bound: what a request costs at most, in micro-dollars.
        ceiling_usd_micros: what it may cost; None is no ceiling.
        most: limits from above.
        least: limits from below; what was asked below them stays.
    """

    def affordable(one: GenerationRequest) -> bool:
        return ceiling_usd_micros is None or bound(one) <= ceiling_usd_micros

    asked = request.num_inference_steps
    steps = range(min(least.num_inference_steps or 1, asked), asked + 1)
    if most.num_inference_steps is not None:
        steps = steps[: max(1, most.num_inference_steps - steps.start + 1)]
    sizes = _sizes(request, most, least)
    fewest = replace(request, num_inference_steps=steps[0])
    best = _last(sizes, lambda each: affordable(replace(fewest, width=each[0], height=each[1])))
    if best is None:
        return None
    sized = replace(fewest, width=best[0], height=best[1])
    number = _last(steps, lambda each: affordable(replace(sized, num_inference_steps=each)))
    return replace(sized, num_inference_steps=number) if number is not None else None


def _sizes(request: GenerationRequest, most: Limits, least: Limits) -> list[tuple[int, int]]:
    """Sizes from the least to the most that is allowed, in the proportions that were asked."""
    longer = max(request.width, request.height)
    found = []
    for side in range(MIN_SIDE, min(longer, MAX_SIDE) + 1, SIDE_MULTIPLE):
        width, height = (
            max(MIN_SIDE, round(each * side / longer / SIDE_MULTIPLE) * SIDE_MULTIPLE)
            for each in (request.width, request.height)
        )
        small = width < min(least.width or 0, request.width) or height < min(
            least.height or 0, request.height
        )
        large = width > (most.width or MAX_SIDE) or height > (most.height or MAX_SIDE)
        if not small and not large and width <= request.width and height <= request.height:
            found.append((width, height))
    return found


def _last(ordered: Sequence[T], fits: Callable[[T], bool]) -> T | None:
    """The last that fits, where all before one that fits do too."""
    low, high = 0, len(ordered)
    while low < high:
        middle = (low + high) // 2
        if fits(ordered[middle]):
            low = middle + 1
        else:
            high = middle
    return ordered[low - 1] if low else None
