"""Adds up spend by scope or by any combination of dimensions. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from underpaint.contract.accounting import DIMENSIONS, SpendLine
from underpaint.contract.errors import InvalidRequest
from underpaint.orchestrator.ledger.store import SpendCell

_VALUE: Final[dict[str, Callable[[SpendCell], str]]] = {
    "organisation": lambda cell: cell.account.organisation,
    "team": lambda cell: cell.account.team,
    "project": lambda cell: cell.account.project,
    "user": lambda cell: cell.account.user,
    "model": lambda cell: cell.model,
    "day": lambda cell: cell.day,
}


def by_scope(cells: Sequence[SpendCell]) -> list[SpendLine]:
    """One line for each scope that was charged, in order of name."""
    return [
        SpendLine(scope=scope, promotions=one, charged_usd_micros=two, cloud_only_usd_micros=three)
        for (scope,), (one, two, three) in _sums(
            ((scope,), cell) for cell in cells for scope in cell.account.scopes
        )
    ]


def by(cells: Sequence[SpendCell], dimensions: Sequence[str]) -> list[SpendLine]:
    """One line for each combination of the dimensions' values, sorted.

    Raises:
        InvalidRequest: a dimension is unknown or is named twice.
    """
    for dimension in dimensions:
        if dimension not in DIMENSIONS or dimensions.count(dimension) > 1:
            raise InvalidRequest(
                f"spend cannot be grouped by {', '.join(dimensions)[:100]!r}; "
                f"choose from {', '.join(DIMENSIONS)}, each at most once"
            )
    return [
        SpendLine(
            scope="",
            promotions=one,
            charged_usd_micros=two,
            cloud_only_usd_micros=three,
            key=key,
        )
        for key, (one, two, three) in _sums(
            (tuple(_VALUE[dimension](cell) for dimension in dimensions), cell) for cell in cells
        )
    ]


def _sums(
    told: Iterable[tuple[tuple[str, ...], SpendCell]],
) -> list[tuple[tuple[str, ...], tuple[int, int, int]]]:
    """Promotions, charged and all-cloud micro-dollars for each key, sorted by key."""
    sums: dict[tuple[str, ...], tuple[int, int, int]] = {}
    for key, cell in told:
        promotions, charged, cloud_only = sums.get(key, (0, 0, 0))
        sums[key] = (
            promotions + cell.promotions,
            charged + cell.charged_usd_micros,
            cloud_only + cell.cloud_only_usd_micros,
        )
    return sorted(sums.items())
