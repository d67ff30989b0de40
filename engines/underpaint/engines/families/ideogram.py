"""Ideogram 4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from underpaint.engines.families.family import Family, Layout, Manner, Start


def _one_guidance(_steps: int, _width: int, _height: int) -> Mapping[str, Any]:
    """Its default is a list of guidances for 48 steps; one for all steps replaces it."""
    return {"guidance_schedule": None}


FAMILY = Family(
    name="ideogram4",
    title="Ideogram 4",
    index=frozenset({"Ideogram4Pipeline"}),
    text_to_image="Ideogram4Pipeline",
    start=Start.NOISED,
    call_for=_one_guidance,
    native=(2048, 2048),
    # diffusers' guide to Ideogram 4, by Ideogram: 48 steps, guidance 7, and 3 for the last 3
    manner=Manner(num_inference_steps=48, guidance_scale=7.0, why="as Ideogram 4"),
    negative=lambda guidance: False,
    layout=Layout.PATCHED_LAST,
    loras=True,
)
