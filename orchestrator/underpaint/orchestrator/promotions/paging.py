"""Makes pages of promotions, newest first, from what several searches found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from underpaint.contract.promotion import Page, Promotion


def newest_of(found: Mapping[int, Promotion], size: int, seen: int = 0) -> Page:
    """Makes a page of the newest promotions found.

    Args:
        found: promotions by number.
        size: the most promotions in the page.
        seen: the search covered all numbers from here up; 0 if it covered everything.
    """
    numbers = [number for number in sorted(found, reverse=True) if number >= seen][:size]
    last = numbers[-1] if len(numbers) == size else seen
    return Page(
        promotions=tuple(found[number] for number in numbers),
        next_token=str(last) if last else "",
    )


def seen_to(size: int, *looks: Sequence[int]) -> int:
    """The lowest number down to which several searches, each of up to `size`, found everything."""
    return max((min(look) for look in looks if len(look) == size), default=0)
