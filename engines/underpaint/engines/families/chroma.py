"""Chroma."""

from __future__ import annotations

from underpaint.engines.families.family import Family, Layout, Manner

FAMILY = Family(
    name="chroma",
    title="Chroma",
    index=frozenset({"ChromaPipeline", "ChromaImg2ImgPipeline", "ChromaInpaintPipeline"}),
    text_to_image="ChromaPipeline",
    image_to_image="ChromaImg2ImgPipeline",
    inpaint="ChromaInpaintPipeline",
    # diffusers' guide to Chroma, of Chroma1-HD: 40 steps, guidance 3.0
    manner=Manner(num_inference_steps=40, guidance_scale=3.0, why="as Chroma1-HD"),
    layout=Layout.PACKED,
    loras=True,
    textual_inversion=True,
)
