"""DreamLite, also for phones."""

from __future__ import annotations

from underpaint.engines.families.family import Family, Manner, Start

FAMILY = Family(
    name="dreamlite",
    title="DreamLite",
    index=frozenset({"DreamLitePipeline"}),
    denoiser="unet",
    text_to_image="DreamLitePipeline",
    start=Start.REFERENCE,
    # diffusers' own defaults, which are the makers'
    manner=Manner(num_inference_steps=30, guidance_scale=3.5, why="as DreamLite"),
    negative=lambda guidance: True,
    textual_inversion=True,
)

MOBILE = Family(
    name="dreamlite-mobile",
    title="DreamLite Mobile",
    index=frozenset({"DreamLiteMobilePipeline"}),
    denoiser="unet",
    text_to_image="DreamLiteMobilePipeline",
    start=Start.REFERENCE,
    manner=Manner(
        num_inference_steps=4, guidance_scale=0.0, why="as DreamLite Mobile", guided=False
    ),
    guidance=None,
    negative=lambda guidance: False,
    textual_inversion=True,
)
