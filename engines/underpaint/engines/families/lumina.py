"""Lumina-Next and Lumina-Image 2.0."""

from __future__ import annotations

from underpaint.engines.families.family import Family, Manner, Start

NEXT = Family(
    name="lumina",
    title="Lumina-Next",
    index=frozenset({"LuminaPipeline", "LuminaText2ImgPipeline"}),
    text_to_image="LuminaPipeline",
    start=Start.NOISED,
    # The figures of its class
    manner=Manner(num_inference_steps=30, guidance_scale=4.0, why="as Lumina-Next"),
)

FAMILY = Family(
    name="lumina2",
    title="Lumina-Image 2.0",
    index=frozenset({"Lumina2Pipeline", "Lumina2Text2ImgPipeline"}),
    text_to_image="Lumina2Pipeline",
    start=Start.NOISED,
    # https://huggingface.co/Alpha-VLLM/Lumina-Image-2.0: the example
    manner=Manner(
        num_inference_steps=50,
        guidance_scale=4.0,
        why="as Lumina-Image 2.0",
        call={"cfg_trunc_ratio": 0.25, "cfg_normalization": True},
    ),
    loras=True,
)
