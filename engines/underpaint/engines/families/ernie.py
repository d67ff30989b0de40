"""ERNIE-Image."""

from __future__ import annotations

from underpaint.engines.families.family import Family, Layout, Manner, Start

FAMILY = Family(
    name="ernie-image",
    title="ERNIE-Image",
    index=frozenset({"ErnieImagePipeline"}),
    text_to_image="ErnieImagePipeline",
    start=Start.NOISED,
    # diffusers' guide to ERNIE-Image: 50 steps, guidance 4.0. Its makers also have the
    # prompt rewritten; here the artist's words are drawn.
    manner=Manner(
        num_inference_steps=50,
        guidance_scale=4.0,
        why="as ERNIE-Image",
        call={"use_pe": False},
    ),
    layout=Layout.PATCHED_MAP,
    loras=True,
)
