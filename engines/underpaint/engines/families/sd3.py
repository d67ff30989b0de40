"""Stable Diffusion 3 and 3.5."""

from __future__ import annotations

from underpaint.engines.families.family import Checkpoint, Family, Manner, Variant
from underpaint.engines.families.sizes import by_sample_size


def _is_v35(checkpoint: Checkpoint) -> bool:
    return checkpoint.config("transformer").get("qk_norm") == "rms_norm"


FAMILY = Family(
    name="sd3",
    title="Stable Diffusion 3",
    index=frozenset(
        {
            "StableDiffusion3Pipeline",
            "StableDiffusion3Img2ImgPipeline",
            "StableDiffusion3InpaintPipeline",
            "StableDiffusion3ControlNetPipeline",
            "StableDiffusion3ControlNetInpaintingPipeline",
            "StableDiffusion3PAGPipeline",
        }
    ),
    text_to_image="StableDiffusion3Pipeline",
    image_to_image="StableDiffusion3Img2ImgPipeline",
    inpaint="StableDiffusion3InpaintPipeline",
    # There is no image-to-image class with a ControlNet; the text-to-image one starts from noised
    # latents instead.
    control={"text": "StableDiffusion3ControlNetPipeline"},
    control_model="SD3ControlNetModel",
    native=by_sample_size,
    # https://huggingface.co/stabilityai/stable-diffusion-3-medium-diffusers
    manner=Manner(num_inference_steps=28, guidance_scale=7.0, why="as Stable Diffusion 3 Medium"),
    variants=(
        # https://huggingface.co/stabilityai/stable-diffusion-3.5-medium: 40 steps, guidance 4.5;
        # Large: 28 steps, guidance 3.5; told apart by the layers with two attentions.
        Variant(
            is_one=lambda checkpoint: (
                _is_v35(checkpoint)
                and bool(checkpoint.config("transformer").get("dual_attention_layers"))
            ),
            manner=Manner(
                num_inference_steps=40,
                guidance_scale=4.5,
                why="as Stable Diffusion 3.5 Medium: its transformer has dual attention",
            ),
        ),
        Variant(
            is_one=_is_v35,
            manner=Manner(
                num_inference_steps=28,
                guidance_scale=3.5,
                why="as Stable Diffusion 3.5 Large: its transformer normalises queries and keys",
            ),
        ),
    ),
    loras=True,
    clip_skip=True,
)
