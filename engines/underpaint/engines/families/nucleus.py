"""NucleusMoE-Image."""

from __future__ import annotations

from underpaint.engines.families.family import Family, Layout, Manner, Start

FAMILY = Family(
    name="nucleus",
    title="NucleusMoE-Image",
    index=frozenset({"NucleusMoEImagePipeline"}),
    text_to_image="NucleusMoEImagePipeline",
    start=Start.NOISED,
    # The example in diffusers' pipeline has 50 steps, its class guidance 4.0
    manner=Manner(num_inference_steps=50, guidance_scale=4.0, why="as NucleusMoE-Image"),
    layout=Layout.PACKED,
)
