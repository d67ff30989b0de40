"""AuraFlow."""

from __future__ import annotations

from underpaint.engines.families.family import Family, Manner, Start
from underpaint.engines.families.sizes import by_sample_size

FAMILY = Family(
    name="auraflow",
    title="AuraFlow",
    index=frozenset({"AuraFlowPipeline"}),
    text_to_image="AuraFlowPipeline",
    start=Start.NOISED,
    native=by_sample_size,
    # https://huggingface.co/fal/AuraFlow-v0.3: 50 steps, guidance 3.5
    manner=Manner(num_inference_steps=50, guidance_scale=3.5, why="as AuraFlow"),
    loras=True,
)
