"""Krea 2."""

from __future__ import annotations

from underpaint.engines.families.family import Checkpoint, Family, Layout, Manner, Start, Variant


def _is_distilled(checkpoint: Checkpoint) -> bool:
    return bool(checkpoint.index.get("is_distilled"))


FAMILY = Family(
    name="krea2",
    title="Krea 2",
    index=frozenset({"Krea2Pipeline"}),
    text_to_image="Krea2Pipeline",
    start=Start.NOISED,
    # diffusers' guide to Krea 2, which Krea wrote: 28 steps, guidance 4.5; distilled: 8 steps, 0
    manner=Manner(num_inference_steps=28, guidance_scale=4.5, why="as Krea 2"),
    variants=(
        Variant(
            is_one=_is_distilled,
            manner=Manner(
                num_inference_steps=8,
                guidance_scale=0.0,
                why="as Krea 2 distilled: its index says so",
            ),
        ),
    ),
    negative=lambda guidance: guidance > 0,  # it adds the guidance to 1
    layout=Layout.PACKED,
    loras=True,
)
