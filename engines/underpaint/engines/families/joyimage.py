"""JoyAI-Image-Edit."""

from __future__ import annotations

from underpaint.engines.families.family import Family, Layout, Manner, Start

EDIT = Family(
    name="joyimage-edit",
    title="JoyAI-Image-Edit",
    index=frozenset({"JoyImageEditPipeline"}),
    text_to_image="JoyImageEditPipeline",
    start=Start.REFERENCE,
    # diffusers' own defaults and example, which are the makers'
    manner=Manner(num_inference_steps=40, guidance_scale=4.0, why="as JoyAI-Image-Edit"),
    layout=Layout.OTHER,
)

EDIT_PLUS = Family(
    name="joyimage-edit-plus",
    title="JoyAI-Image-Edit-Plus",
    index=frozenset({"JoyImageEditPlusPipeline"}),
    image_to_image="JoyImageEditPlusPipeline",
    start=Start.REFERENCE,
    picture="images",
    pictures=True,
    references=3,
    manner=Manner(num_inference_steps=30, guidance_scale=4.0, why="as JoyAI-Image-Edit-Plus"),
    layout=Layout.OTHER,
)
