"""FLUX.1: dev and schnell, Kontext, Fill, and those with a control map of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from underpaint.engines.families.family import (
    Checkpoint,
    Family,
    Layout,
    Manner,
    Start,
    Variant,
)


def _is_schnell(checkpoint: Checkpoint) -> bool:
    return not checkpoint.config("transformer").get("guidance_embeds", False)


def _kontext_size(_steps: int, width: int, height: int) -> Mapping[str, Any]:
    """Without these it keeps only the ratio of the size, and one of its own sizes at that."""
    return {"max_area": width * height, "_auto_resize": False}


_DEV_WHY: Final = "as FLUX.1 dev: its transformer takes the guidance"
# https://huggingface.co/black-forest-labs/FLUX.1-schnell: 4 steps, 256 tokens
SCHNELL: Final = Variant(
    is_one=_is_schnell,
    manner=Manner(
        num_inference_steps=4,
        guidance_scale=0.0,
        why="as FLUX.1 schnell: its transformer takes no guidance",
        guided=False,
        call={"max_sequence_length": 256},
    ),
)

FAMILY = Family(
    name="flux",
    title="FLUX.1",
    index=frozenset(
        {
            "FluxPipeline",
            "FluxImg2ImgPipeline",
            "FluxInpaintPipeline",
            "FluxControlNetPipeline",
            "FluxControlNetImg2ImgPipeline",
            "FluxControlNetInpaintPipeline",
        }
    ),
    text_to_image="FluxPipeline",
    image_to_image="FluxImg2ImgPipeline",
    inpaint="FluxInpaintPipeline",
    control={
        "text": "FluxControlNetPipeline",
        "image": "FluxControlNetImg2ImgPipeline",
        "mask": "FluxControlNetInpaintPipeline",
    },
    control_model="FluxControlNetModel",
    # https://huggingface.co/black-forest-labs/FLUX.1-dev: guidance 3.5; diffusers' 28 steps
    manner=Manner(num_inference_steps=28, guidance_scale=3.5, why=_DEV_WHY),
    variants=(SCHNELL,),
    # The guidance is built into the model: only `true_cfg_scale` would use a negative prompt.
    negative=lambda guidance: False,
    layout=Layout.PACKED,
    loras=True,
    textual_inversion=True,
)

KONTEXT = Family(
    name="flux-kontext",
    title="FLUX.1 Kontext",
    index=frozenset({"FluxKontextPipeline", "FluxKontextInpaintPipeline"}),
    text_to_image="FluxKontextPipeline",
    start=Start.REFERENCE,
    call_for=_kontext_size,
    inpaint="FluxKontextInpaintPipeline",
    # https://huggingface.co/black-forest-labs/FLUX.1-Kontext-dev: guidance 2.5
    manner=Manner(num_inference_steps=28, guidance_scale=2.5, why="as FLUX.1 Kontext dev"),
    negative=lambda guidance: False,
    layout=Layout.PACKED,
    loras=True,
)

FILL = Family(
    name="flux-fill",
    title="FLUX.1 Fill",
    index=frozenset({"FluxFillPipeline"}),
    image_to_image="FluxFillPipeline",
    inpaint="FluxFillPipeline",
    needs_mask=True,
    # https://huggingface.co/black-forest-labs/FLUX.1-Fill-dev: 50 steps, guidance 30
    manner=Manner(num_inference_steps=50, guidance_scale=30.0, why="as FLUX.1 Fill dev"),
    negative=lambda guidance: False,
    layout=Layout.PACKED,
    loras=True,
)

CONTROL = Family(
    name="flux-control",
    title="FLUX.1 Canny and Depth",
    index=frozenset(
        {"FluxControlPipeline", "FluxControlImg2ImgPipeline", "FluxControlInpaintPipeline"}
    ),
    image_to_image="FluxControlImg2ImgPipeline",
    inpaint="FluxControlInpaintPipeline",
    own_control=True,
    # https://huggingface.co/black-forest-labs/FLUX.1-Canny-dev: 50 steps, guidance 30
    manner=Manner(num_inference_steps=50, guidance_scale=30.0, why="as FLUX.1 Canny dev"),
    negative=lambda guidance: False,
    layout=Layout.PACKED,
    loras=True,
)
