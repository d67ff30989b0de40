"""Fewer steps, then a smaller picture."""

from __future__ import annotations

from dataclasses import replace

import pytest
from underpaint.contract.generation import MIN_SIDE, GenerationRequest
from underpaint.orchestrator.policy.fit import NO_LIMITS, Limits, fit

from tests.unit.orchestrator.samples import GENERATION

WIDE = replace(GENERATION, width=1536, height=1024, num_inference_steps=30)


def bound(request: GenerationRequest) -> int:
    return request.num_inference_steps * request.width * request.height


def fitted(
    ceiling: int | None,
    request: GenerationRequest = WIDE,
    most: Limits = NO_LIMITS,
    least: Limits = NO_LIMITS,
) -> tuple[int, int, int] | None:
    one = fit(request, bound, ceiling_usd_micros=ceiling, most=most, least=least)
    return (one.num_inference_steps, one.width, one.height) if one else None


def test_what_fits_is_left_alone() -> None:
    assert fitted(bound(WIDE)) == (30, 1536, 1024)
    assert fitted(None) == (30, 1536, 1024)


def test_steps_give_way_before_pixels_and_no_more_than_they_must() -> None:
    assert fitted(bound(WIDE) - 1) == (29, 1536, 1024)
    assert fitted(12 * 1536 * 1024) == (12, 1536, 1024)
    least = Limits(num_inference_steps=12)
    assert fitted(12 * 1536 * 1024, least=least) == (12, 1536, 1024)
    assert fitted(12 * 768 * 512, least=least) == (12, 768, 512)


def test_steps_come_back_when_the_smaller_size_leaves_room() -> None:
    least = Limits(num_inference_steps=4)
    steps, width, height = fitted(5 * 760 * 504, least=least) or (0, 0, 0)
    assert steps >= 4
    assert bound(replace(WIDE, num_inference_steps=steps, width=width, height=height)) <= (
        5 * 760 * 504
    )
    larger = replace(WIDE, num_inference_steps=4, width=width + 24, height=height + 16)
    assert bound(larger) > 5 * 760 * 504


def test_the_least_is_kept_or_nothing_fits() -> None:
    least = Limits(num_inference_steps=8, width=768, height=512)
    assert fitted(8 * 768 * 512, least=least) == (8, 768, 512)
    assert fitted(8 * 768 * 512 - 1, least=least) is None
    assert fitted(0) is None


def test_the_most_is_kept_without_a_ceiling_too() -> None:
    assert fitted(None, most=Limits(num_inference_steps=20)) == (20, 1536, 1024)
    assert fitted(None, most=Limits(width=768)) == (30, 768, 512)
    assert fitted(None, most=Limits(height=512)) == (30, 768, 512)


def test_what_was_asked_below_the_least_stays() -> None:
    small = replace(WIDE, width=256, height=256, num_inference_steps=4)
    least = Limits(num_inference_steps=8, width=512, height=512)
    assert fitted(None, small, least=least) == (4, 256, 256)


@pytest.mark.parametrize("ceiling", [4_096, 100_000, 1_000_000, 9_999_999, 40_000_000])
def test_it_never_costs_more_than_the_ceiling_nor_grows(ceiling: int) -> None:
    for width, height in ((64, 2048), (2048, 64), (1000, 1000), (512, 768)):
        request = replace(WIDE, width=width, height=height)
        one = fit(request, bound, ceiling_usd_micros=ceiling, most=NO_LIMITS, least=NO_LIMITS)
        assert one is not None
        assert bound(one) <= ceiling
        assert MIN_SIDE <= one.width <= width
        assert MIN_SIDE <= one.height <= height
        assert 1 <= one.num_inference_steps <= 30
