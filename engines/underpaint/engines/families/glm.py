"""GLM-Image."""

from __future__ import annotations

from underpaint.engines.families.family import Family, Manner, Start

FAMILY = Family(
    name="glm-image",
    title="GLM-Image",
    index=frozenset({"GlmImagePipeline"}),
    text_to_image="GlmImagePipeline",
    start=Start.REFERENCE,
    pictures=True,
    references=3,
    multiple=32,
    # https://huggingface.co/zai-org/GLM-Image: 50 steps, guidance 1.5
    manner=Manner(num_inference_steps=50, guidance_scale=1.5, why="as GLM-Image"),
    negative=lambda guidance: False,
)
