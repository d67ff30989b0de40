"""Stable Diffusion XL."""

from __future__ import annotations

from typing import Final

from underpaint.engines.families.family import Checkpoint, Family, Manner
from underpaint.engines.families.sd import LCM, LCM_TAUGHT, TCD, TURBO, is_inpainting
from underpaint.engines.families.sizes import by_sample_size

_CLASSES: Final = frozenset(
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
)


def _is_refiner(checkpoint: Checkpoint) -> bool:
    """Whether it has only the second text encoder."""
    return checkpoint.index.get("text_encoder") in ([None, None], None)


REFINER = Family(
    name="sdxl-refiner",
    title="Stable Diffusion XL Refiner",
    index=_CLASSES,
    is_one=_is_refiner,
    denoiser="unet",
    image_to_image="StableDiffusionXLImg2ImgPipeline",
    native=by_sample_size,
    # https://huggingface.co/stabilityai/stable-diffusion-xl-refiner-1.0: the class's own figures
    manner=Manner(num_inference_steps=50, guidance_scale=5.0, why="as SDXL's refiner"),
    strength=0.3,
    loras=True,
    clip_skip=True,
)

INPAINT = Family(
    name="sdxl-inpaint",
    title="Stable Diffusion XL Inpainting",
    index=_CLASSES,
    is_one=is_inpainting,
    denoiser="unet",
    image_to_image="StableDiffusionXLInpaintPipeline",
    inpaint="StableDiffusionXLInpaintPipeline",
    needs_mask=True,
    native=by_sample_size,
    # https://huggingface.co/diffusers/stable-diffusion-xl-1.0-inpainting-0.1: 20 steps, 8.0
    manner=Manner(num_inference_steps=20, guidance_scale=8.0, why="as SDXL Inpainting"),
    variants=(LCM,),
    loras=True,
    textual_inversion=True,
    clip_skip=True,
)

FAMILY = Family(
    name="sdxl",
    title="Stable Diffusion XL",
    index=_CLASSES,
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
