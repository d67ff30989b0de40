"""Chroma."""

from __future__ import annotations

from underpaint.engines.families.family import Family, Layout, Manner

FAMILY = Family(
    name="chroma",
    title="Chroma",
    index=frozenset({"ChromaPipeline", "ChromaImg2ImgPipeline", "ChromaInpaintPipeline"}),
    text_to_image="ChromaPipeline",
    image_to_image="ChromaImg2ImgPipeline",
    # ChromaInpaintPipeline of diffusers 0.42 fails: it looks for FLUX's guidance_embeds.
    # diffusers' guide to Chroma, of Chroma1-HD: 40 steps, guidance 3.0
    manner=Manner(num_inference_steps=40, guidance_scale=3.0, why="as Chroma1-HD"),
    layout=Layout.PACKED,
    loras=True,
    textual_inversion=True,
)
