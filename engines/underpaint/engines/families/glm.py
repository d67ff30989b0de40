"""GLM-Image."""

from __future__ import annotations

from underpaint.engines.families.family import Family, Manner, Start

FAMILY = Family(
    name="glm-image",
    title="GLM-Image",
    index=frozenset({"GlmImagePipeline"}),
    text_to_image="GlmImagePipeline",
    # It can look at pictures, too; but what diffusers 0.42 then calls, transformers 5 has changed.
    start=Start.NOISED,
    multiple=32,
    # The figures of its class, which its makers wrote: 50 steps, guidance 1.5
    manner=Manner(num_inference_steps=50, guidance_scale=1.5, why="as GLM-Image"),
    negative=lambda guidance: False,
)
