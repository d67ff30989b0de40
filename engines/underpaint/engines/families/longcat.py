"""LongCat-Image and its editor."""

from __future__ import annotations

from underpaint.engines.families.family import Family, Layout, Manner, Start

FAMILY = Family(
    name="longcat",
    title="LongCat-Image",
    index=frozenset({"LongCatImagePipeline"}),
    text_to_image="LongCatImagePipeline",
    start=Start.NOISED,
    # The example in diffusers' pipeline, by Meituan: 50 steps, guidance 4.5. They also have
    # the prompt rewritten; here the artist's words are drawn.
    manner=Manner(
        num_inference_steps=50,
        guidance_scale=4.5,
        why="as LongCat-Image",
        call={"enable_prompt_rewrite": False},
    ),
    layout=Layout.PACKED,
)

EDIT = Family(
    name="longcat-edit",
    title="LongCat-Image-Edit",
    index=frozenset({"LongCatImageEditPipeline"}),
    image_to_image="LongCatImageEditPipeline",
    start=Start.REFERENCE,
    # The example in diffusers' pipeline
    manner=Manner(num_inference_steps=50, guidance_scale=4.5, why="as LongCat-Image-Edit"),
    layout=Layout.PACKED,
)
