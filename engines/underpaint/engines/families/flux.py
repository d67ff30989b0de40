"""FLUX.1: dev and schnell."""

from __future__ import annotations

from underpaint.engines.families.family import Checkpoint, Family, Layout, Manner, Variant


def _is_schnell(checkpoint: Checkpoint) -> bool:
    return not checkpoint.config("transformer").get("guidance_embeds", False)


FAMILY = Family(
    name="flux",
    title="FLUX.1",
    index=frozenset({"FluxPipeline", "FluxImg2ImgPipeline", "FluxInpaintPipeline"}),
    text_to_image="FluxPipeline",
    image_to_image="FluxImg2ImgPipeline",
    inpaint="FluxInpaintPipeline",
    control={
        "text": "FluxControlNetPipeline",
        "image": "FluxControlNetImg2ImgPipeline",
        "mask": "FluxControlNetInpaintPipeline",
    },
    control_model="FluxControlNetModel",
    manner=Manner(
        num_inference_steps=28,
        guidance_scale=3.5,
        why="as FLUX.1 dev: its transformer takes the guidance",
    ),
    variants=(
        Variant(
            is_one=_is_schnell,
            manner=Manner(
                num_inference_steps=4,
                guidance_scale=0.0,
                why="as FLUX.1 schnell: its transformer takes no guidance",
                guided=False,
                call={"max_sequence_length": 256},
            ),
        ),
    ),
    # The guidance is built into the model: only `true_cfg_scale` would use a negative prompt.
    negative=lambda guidance: False,
    layout=Layout.PACKED,
    loras=True,
)
