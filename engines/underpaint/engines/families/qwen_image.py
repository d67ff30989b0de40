"""Qwen-Image, its editors, and Qwen-Image 2.1."""

from __future__ import annotations

import math
from typing import Final

from underpaint.engines.families.family import (
    Checkpoint,
    Family,
    Layout,
    Manner,
    Start,
    Variant,
)

# https://huggingface.co/Qwen/Qwen-Image: 50 steps, true_cfg_scale 4.0, 1328 x 1328
_MANNER: Final = Manner(num_inference_steps=50, guidance_scale=4.0, why="as Qwen-Image")


def _is_lightning(checkpoint: Checkpoint) -> bool:
    """Whether its scheduler always shifts by 3, which Qwen's own never does."""
    config = checkpoint.config("scheduler")
    shifts = (config.get("base_shift"), config.get("max_shift"))
    return all(shift is not None and math.isclose(shift, math.log(3)) for shift in shifts)


# https://huggingface.co/lightx2v/Qwen-Image-Lightning: 8 or 4 steps, true_cfg_scale 1.0
_LIGHTNING: Final = Variant(
    is_one=_is_lightning,
    manner=Manner(
        num_inference_steps=8,
        guidance_scale=1.0,
        why="as Qwen-Image-Lightning: its scheduler always shifts by 3",
    ),
)

FAMILY = Family(
    name="qwen-image",
    title="Qwen-Image",
    index=frozenset({"QwenImagePipeline", "QwenImageImg2ImgPipeline", "QwenImageInpaintPipeline"}),
    text_to_image="QwenImagePipeline",
    image_to_image="QwenImageImg2ImgPipeline",
    inpaint="QwenImageInpaintPipeline",
    control={"text": "QwenImageControlNetPipeline"},
    control_model="QwenImageControlNetModel",
    native=(1328, 1328),
    manner=_MANNER,
    variants=(_LIGHTNING,),
    guidance="true_cfg_scale",
    nothing=" ",  # without a negative prompt there is no guidance
    layout=Layout.PACKED,
    loras=True,
)

EDIT = Family(
    name="qwen-image-edit",
    title="Qwen-Image-Edit",
    index=frozenset({"QwenImageEditPipeline", "QwenImageEditInpaintPipeline"}),
    image_to_image="QwenImageEditPipeline",
    start=Start.REFERENCE,
    inpaint="QwenImageEditInpaintPipeline",
    manner=_MANNER,
    variants=(_LIGHTNING,),
    guidance="true_cfg_scale",
    nothing=" ",
    layout=Layout.PACKED,
    loras=True,
)

EDIT_PLUS = Family(
    name="qwen-image-edit-plus",
    title="Qwen-Image-Edit 2509 and 2511",
    index=frozenset({"QwenImageEditPlusPipeline"}),
    image_to_image="QwenImageEditPlusPipeline",
    start=Start.REFERENCE,
    pictures=True,
    references=2,
    # https://huggingface.co/Qwen/Qwen-Image-Edit-2509: 40 steps, true_cfg_scale 4.0
    manner=Manner(num_inference_steps=40, guidance_scale=4.0, why="as Qwen-Image-Edit-2509"),
    variants=(_LIGHTNING,),
    guidance="true_cfg_scale",
    nothing=" ",
    layout=Layout.PACKED,
    loras=True,
)

# diffusers' own defaults, which are the makers'
V21 = Family(
    name="qwen-image-2.1",
    title="Qwen-Image 2.1",
    index=frozenset({"QwenImage21Pipeline"}),
    text_to_image="QwenImage21Pipeline",
    start=Start.REFERENCE,
    pictures=True,
    references=3,
    manner=Manner(num_inference_steps=40, guidance_scale=1.0, why="as Qwen-Image 2.1"),
    guidance="true_cfg_scale",
    nothing=" ",
    layout=Layout.ROWS,
    loras=True,
)
