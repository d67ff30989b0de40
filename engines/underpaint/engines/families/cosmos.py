"""Cosmos-Predict2 Text2Image. It needs the package cosmos_guardrail."""

from __future__ import annotations

from underpaint.engines.families.family import Family, Layout, Manner, Start

FAMILY = Family(
    name="cosmos2",
    title="Cosmos-Predict2 Text2Image",
    index=frozenset({"Cosmos2TextToImagePipeline"}),
    text_to_image="Cosmos2TextToImagePipeline",
    start=Start.NOISED,
    native=(1360, 768),
    # https://huggingface.co/nvidia/Cosmos-Predict2-2B-Text2Image: 35 steps, guidance 7
    manner=Manner(num_inference_steps=35, guidance_scale=7.0, why="as Cosmos-Predict2"),
    layout=Layout.FRAMES,
)
