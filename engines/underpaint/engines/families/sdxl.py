"""Stable Diffusion XL."""

from __future__ import annotations

from underpaint.engines.families.family import Family, Manner
from underpaint.engines.families.sd import LCM, LCM_TAUGHT, TCD, TURBO
from underpaint.engines.families.sizes import by_sample_size

FAMILY = Family(
    name="sdxl",
    title="Stable Diffusion XL",
    index=frozenset(
        {
            "StableDiffusionXLPipeline",
            "StableDiffusionXLImg2ImgPipeline",
            "StableDiffusionXLInpaintPipeline",
            "StableDiffusionXLControlNetPipeline",
            "StableDiffusionXLControlNetImg2ImgPipeline",
            "StableDiffusionXLControlNetInpaintPipeline",
            "StableDiffusionXLControlNetUnionPipeline",
            "StableDiffusionXLPAGPipeline",
        }
    ),
    denoiser="unet",
    text_to_image="StableDiffusionXLPipeline",
    image_to_image="StableDiffusionXLImg2ImgPipeline",
    inpaint="StableDiffusionXLInpaintPipeline",
    control={
        "text": "StableDiffusionXLControlNetPipeline",
        "image": "StableDiffusionXLControlNetImg2ImgPipeline",
        "mask": "StableDiffusionXLControlNetInpaintPipeline",
    },
    control_model="ControlNetModel",
    control_union="ControlNetUnionModel",
    control_is_image=True,
    native=by_sample_size,
    # https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0: the class's own figures
    manner=Manner(num_inference_steps=50, guidance_scale=5.0, why="as SDXL 1.0"),
    variants=(LCM_TAUGHT, LCM, TCD, TURBO),
    loras=True,
    textual_inversion=True,
    clip_skip=True,
)
