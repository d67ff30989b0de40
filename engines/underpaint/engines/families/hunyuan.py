"""Hunyuan-DiT and HunyuanImage 2.1."""

from __future__ import annotations

from underpaint.engines.families.family import Checkpoint, Family, Manner, Start, Variant
from underpaint.engines.families.sizes import by_sample_size


def _is_distilled(checkpoint: Checkpoint) -> bool:
    return bool(checkpoint.config("transformer").get("guidance_embeds"))


DIT = Family(
    name="hunyuan-dit",
    title="Hunyuan-DiT",
    index=frozenset(
        {"HunyuanDiTPipeline", "HunyuanDiTPAGPipeline", "HunyuanDiTControlNetPipeline"}
    ),
    text_to_image="HunyuanDiTPipeline",
    start=Start.NOISED,
    control={"text": "HunyuanDiTControlNetPipeline"},
    control_model="HunyuanDiT2DControlNetModel",
    native=by_sample_size,
    # The figures of its class; its makers' own program takes 100 steps
    manner=Manner(num_inference_steps=50, guidance_scale=5.0, why="as Hunyuan-DiT"),
)

IMAGE = Family(
    name="hunyuan-image",
    title="HunyuanImage 2.1",
    index=frozenset({"HunyuanImagePipeline"}),
    text_to_image="HunyuanImagePipeline",
    start=Start.NOISED,
    native=(2048, 2048),
    multiple=32,
    # https://huggingface.co/hunyuanvideo-community/HunyuanImage-2.1-Diffusers: 50 steps; the
    # guidance is set in the checkpoint's guider
    manner=Manner(
        num_inference_steps=50,
        guidance_scale=3.5,
        why="as HunyuanImage 2.1; the guidance is that of its guider",
        guided=False,
    ),
    variants=(
        # https://huggingface.co/hunyuanvideo-community/HunyuanImage-2.1-Distilled-Diffusers:
        # 8 steps, distilled guidance 3.25
        Variant(
            is_one=_is_distilled,
            manner=Manner(
                num_inference_steps=8,
                guidance_scale=3.25,
                why="as HunyuanImage 2.1 distilled: its transformer takes the guidance",
            ),
        ),
    ),
    guidance="distilled_guidance_scale",
    negative=lambda guidance: True,  # its guider decides
)
