"""Ovis-Image."""

from __future__ import annotations

from underpaint.engines.families.family import Family, Layout, Manner, Start

FAMILY = Family(
    name="ovis",
    title="Ovis-Image",
    index=frozenset({"OvisImagePipeline"}),
    text_to_image="OvisImagePipeline",
    start=Start.NOISED,
    # The example in diffusers' pipeline, which its makers wrote: 50 steps, guidance 5.0
    manner=Manner(num_inference_steps=50, guidance_scale=5.0, why="as Ovis-Image"),
    layout=Layout.PACKED,
)
