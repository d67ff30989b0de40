"""Makes a request fit a cost ceiling with the least change: fewer steps, then a smaller picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from underpaint.contract.generation import MAX_SIDE, MIN_SIDE, SIDE_MULTIPLE, GenerationRequest

T = TypeVar("T")
# Returns the most that a request can cost at one engine, in micro-dollars. More steps or pixels
# never cost less.
Bound = Callable[[GenerationRequest], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits on steps and sides in pixels; None is no limit."""

    num_inference_steps: int | None = None
    width: int | None = None
    height: int | None = None

    def __bool__(self) -> bool:
        return any(each is not None for each in (self.num_inference_steps, self.width, self.height))


NO_LIMITS: Final = Limits()


def beyond(request: GenerationRequest, most: Limits) -> str:
    """Says which limit a request exceeds first; "" if none."""
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
    """The largest version of a request that the limits and the ceiling allow.

    The picture stays as large as possible, then the steps as many as possible. The proportions
    stay, up to rounding to a multiple of 8 pixels.

    Args:
        request: as it was asked.
        bound: returns what a request costs at most, in micro-dollars.
        ceiling_usd_micros: the most that it may cost; None for no ceiling.
        most: upper limits.
        least: lower limits; a value that was asked below its limit stays.

    Returns:
        The fitted request; None if even the smallest that is allowed costs more than the ceiling.
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
    """The allowed sizes in the asked proportions, smallest first."""
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
    """The last element that fits, by bisection: all before one that fits must fit, too."""
    low, high = 0, len(ordered)
    while low < high:
        middle = (low + high) // 2
        if fits(ordered[middle]):
            low = middle + 1
        else:
            high = middle
    return ordered[low - 1] if low else None
