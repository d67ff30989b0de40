"""Stable Diffusion 1.x and 2.x."""

from __future__ import annotations

from typing import Final

from underpaint.engines.families.family import Checkpoint, Family, Manner, Variant
from underpaint.engines.families.sizes import by_sample_size

_CLASSES: Final = frozenset(
    {
        "StableDiffusionPipeline",
        "StableDiffusionImg2ImgPipeline",
        "StableDiffusionInpaintPipeline",
        "StableDiffusionControlNetPipeline",
        "StableDiffusionControlNetImg2ImgPipeline",
        "StableDiffusionControlNetInpaintPipeline",
        "StableDiffusionPAGPipeline",
        "LatentConsistencyModelPipeline",
        "LatentConsistencyModelImg2ImgPipeline",
    }
)
_CONTROL: Final = {
    "text": "StableDiffusionControlNetPipeline",
    "image": "StableDiffusionControlNetImg2ImgPipeline",
    "mask": "StableDiffusionControlNetInpaintPipeline",
}
_V2_WIDTH: Final = 1024  # of OpenCLIP's text features; CLIP's in version 1 have 768


def _is_v2(checkpoint: Checkpoint) -> bool:
    config = checkpoint.config("unet")
    return bool(
        config.get("cross_attention_dim") == _V2_WIDTH or config.get("use_linear_projection")
    )


def takes_guidance(checkpoint: Checkpoint) -> bool:
    """Whether the guidance was taught to the UNet, as in latent consistency models."""
    return bool(checkpoint.config("unet").get("time_cond_proj_dim"))


def is_lcm(checkpoint: Checkpoint) -> bool:
    """Whether it has the scheduler of latent consistency models."""
    return checkpoint.scheduler == "LCMScheduler"


def is_turbo(checkpoint: Checkpoint) -> bool:
    """Whether it has the scheduler that SD-Turbo and SDXL-Turbo came with.

    Models that predict the velocity with zero signal at the end have a similar one, but are slow.
    """
    config = checkpoint.config("scheduler")
    return (
        checkpoint.scheduler in ("EulerAncestralDiscreteScheduler", "EulerDiscreteScheduler")
        and config.get("timestep_spacing") == "trailing"
        and config.get("prediction_type") != "v_prediction"
        and not config.get("rescale_betas_zero_snr")
    )


# https://huggingface.co/SimianLuo/LCM_Dreamshaper_v7: 4 to 8 steps, guidance 8.0
LCM_TAUGHT: Final = Variant(
    is_one=takes_guidance,
    manner=Manner(
        num_inference_steps=4,
        guidance_scale=8.0,
        why="as a latent consistency model: its UNet takes the guidance",
    ),
)
# https://huggingface.co/latent-consistency/lcm-lora-sdv1-5: 4 steps, guidance 1
LCM: Final = Variant(
    is_one=is_lcm,
    manner=Manner(
        num_inference_steps=4,
        guidance_scale=1.0,
        why="as a latent consistency model: its scheduler is LCMScheduler",
    ),
)
# https://huggingface.co/stabilityai/sd-turbo: 1 step, guidance 0.0
TURBO: Final = Variant(
    is_one=is_turbo,
    manner=Manner(
        num_inference_steps=1,
        guidance_scale=0.0,
        why="as a turbo model: its Euler scheduler spaces the timesteps from the end (trailing)",
    ),
)
# diffusers' guide to TCD: 4 steps, guidance 0, eta 0.3
TCD: Final = Variant(
    is_one=lambda checkpoint: checkpoint.scheduler == "TCDScheduler",
    manner=Manner(
        num_inference_steps=4,
        guidance_scale=0.0,
        why="as a trajectory consistency model: its scheduler is TCDScheduler",
        call={"eta": 0.3},
    ),
)


def is_inpainting(checkpoint: Checkpoint) -> bool:
    """Whether its UNet was taught to be given a mask and what is to be kept."""
    return checkpoint.config("unet").get("in_channels") == 9


INPAINT = Family(
    name="sd-inpaint",
    title="Stable Diffusion Inpainting",
    index=_CLASSES,
    is_one=is_inpainting,
    denoiser="unet",
    image_to_image="StableDiffusionInpaintPipeline",
    inpaint="StableDiffusionInpaintPipeline",
    needs_mask=True,
    native=by_sample_size,
    manner=Manner(num_inference_steps=50, guidance_scale=7.5, why="as Stable Diffusion Inpainting"),
    variants=(LCM,),
    loras=True,
    textual_inversion=True,
    clip_skip=True,
)

SD1 = Family(
    name="sd1",
    title="Stable Diffusion 1.x",
    index=_CLASSES,
    is_one=lambda checkpoint: not _is_v2(checkpoint),
    denoiser="unet",
    text_to_image="StableDiffusionPipeline",
    image_to_image="StableDiffusionImg2ImgPipeline",
    inpaint="StableDiffusionInpaintPipeline",
    control=_CONTROL,
    control_model="ControlNetModel",
    control_is_image=True,
    native=by_sample_size,
    manner=Manner(num_inference_steps=50, guidance_scale=7.5, why="as Stable Diffusion 1.5"),
    variants=(LCM_TAUGHT, LCM, TCD, TURBO),
    loras=True,
    textual_inversion=True,
    clip_skip=True,
)

SD2 = Family(
    name="sd2",
    title="Stable Diffusion 2.x",
    index=_CLASSES,
    denoiser="unet",
    text_to_image="StableDiffusionPipeline",
    image_to_image="StableDiffusionImg2ImgPipeline",
    inpaint="StableDiffusionInpaintPipeline",
    control=_CONTROL,
    control_model="ControlNetModel",
    control_is_image=True,
    native=by_sample_size,
    manner=Manner(num_inference_steps=50, guidance_scale=7.5, why="as Stable Diffusion 2.1"),
    variants=(LCM_TAUGHT, LCM, TCD, TURBO),
    loras=True,
    textual_inversion=True,
    clip_skip=True,
)
