"""Stable Diffusion 1 to 3, and those that are made from them."""

from __future__ import annotations

from functools import partial
from typing import Any

from diffusers import (
    DDIMScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    PNDMScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import CLIPConfig, CLIPImageProcessor

from tests.tiny.parts import WIDTH, Tiny, clip, t5, vae
from tests.tiny.tokenizers import clip_tokenizer, t5_tokenizer

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def unet(**more: Any) -> UNet2DConditionModel:
    """That of Stable Diffusion, 128 x 128 pixels."""
    config = {
        "sample_size": 16,
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": (16, 32),
        "layers_per_block": 1,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 2,
        "norm_num_groups": 4,
    }
    return UNet2DConditionModel(**config | more)


def xl_unet(texts: int = 2, sizes: int = 6, **more: Any) -> UNet2DConditionModel:
    """That of Stable Diffusion XL: it is told of sizes, and reads so many text encoders."""
    config = {
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": WIDTH + 8 * sizes,
        "cross_attention_dim": texts * WIDTH,
    }
    return unet(**config | more)


def pndm() -> PNDMScheduler:
    """The scheduler that Stable Diffusion 1 ships."""
    return PNDMScheduler(**BETAS, skip_prk_steps=True, steps_offset=1)


def euler(**more: Any) -> EulerDiscreteScheduler:
    """The scheduler that Stable Diffusion XL ships."""
    return EulerDiscreteScheduler(
        **BETAS, **{"steps_offset": 1, "timestep_spacing": "leading"} | more
    )


def trailing(**more: Any) -> EulerAncestralDiscreteScheduler:
    """The scheduler that the turbo models ship."""
    return EulerAncestralDiscreteScheduler(
        **BETAS, timestep_spacing="trailing", steps_offset=1, **more
    )


def checker() -> StableDiffusionSafetyChecker:
    """A safety checker of random weights that flags nothing."""
    made = StableDiffusionSafetyChecker(
        CLIPConfig(
            text_config={"hidden_size": WIDTH, "num_hidden_layers": 1, "num_attention_heads": 2},
            vision_config={
                "hidden_size": WIDTH,
                "intermediate_size": WIDTH,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "image_size": 32,
                "patch_size": 8,
            },
            projection_dim=WIDTH,
        )
    )
    made.concept_embeds_weights.data.fill_(2.0)  # likelier than anything is
    made.special_care_embeds_weights.data.fill_(2.0)
    return made


def sd(
    kind: type[StableDiffusionPipeline] = StableDiffusionPipeline,
    scheduler: Any = pndm,
    checked: bool = False,
    **more: Any,
) -> StableDiffusionPipeline:
    """Stable Diffusion 1 and 2 and their like."""
    return kind(
        vae=vae(4),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(),
        unet=unet(**more),
        scheduler=scheduler(),
        safety_checker=checker() if checked else None,
        feature_extractor=CLIPImageProcessor(size=32, crop_size=32) if checked else None,
        requires_safety_checker=checked,
    )


def sdxl(
    scheduler: Any = euler, kind: Any = StableDiffusionXLPipeline, **more: Any
) -> StableDiffusionXLPipeline:
    """Stable Diffusion XL."""
    return kind(
        vae=vae(4, scaling_factor=0.13025),
        text_encoder=clip(),
        text_encoder_2=clip(projection=True),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        unet=xl_unet(**more),
        scheduler=scheduler(),
    )


def refiner() -> StableDiffusionXLImg2ImgPipeline:
    """Its refiner, which begins from a picture."""
    return StableDiffusionXLImg2ImgPipeline(
        vae=vae(4, scaling_factor=0.13025),
        text_encoder=None,
        text_encoder_2=clip(projection=True),
        tokenizer=None,
        tokenizer_2=clip_tokenizer(),
        unet=xl_unet(texts=1, sizes=5),
        scheduler=euler(),
        requires_aesthetics_score=True,
    )


def sd3_transformer() -> SD3Transformer2DModel:
    """That of Stable Diffusion 3."""
    return SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=16,
        out_channels=16,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=2 * WIDTH,
        caption_projection_dim=16,
        pooled_projection_dim=2 * WIDTH,
        pos_embed_max_size=96,
    )


def sd3(last: bool = True) -> StableDiffusion3Pipeline:
    """Stable Diffusion 3, with its T5 or without."""
    return StableDiffusion3Pipeline(
        transformer=sd3_transformer(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=vae(16, scaling_factor=1.5305, shift_factor=0.0609),
        text_encoder=clip(projection=True),
        tokenizer=clip_tokenizer(),
        text_encoder_2=clip(projection=True),
        tokenizer_2=clip_tokenizer(),
        text_encoder_3=t5(2 * WIDTH) if last else None,
        tokenizer_3=t5_tokenizer() if last else None,
    )


def _v_prediction() -> DDIMScheduler:
    return DDIMScheduler(
        **BETAS,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
    )


def _lcm() -> LCMScheduler:
    return LCMScheduler(**BETAS, steps_offset=1, clip_sample=False, set_alpha_to_one=False)


MODELS = {
    "sd15": Tiny(partial(sd, attention_head_dim=8)),
    "sd15-checked": Tiny(partial(sd, checked=True)),
    "sd15-inpaint": Tiny(
        partial(sd, StableDiffusionInpaintPipeline, in_channels=9), pictures=("image", "mask_image")
    ),
    "sd21": Tiny(partial(sd, scheduler=_v_prediction, use_linear_projection=True)),
    "sd-turbo": Tiny(partial(sd, scheduler=trailing, use_linear_projection=True)),
    "lcm": Tiny(partial(sd, LatentConsistencyModelPipeline, scheduler=_lcm, time_cond_proj_dim=8)),
    "sdxl": Tiny(sdxl),
    "sdxl-refiner": Tiny(refiner, pictures=("image",), sized=False, call={"strength": 1.0}),
    "sdxl-inpaint": Tiny(
        partial(sdxl, kind=StableDiffusionXLInpaintPipeline, in_channels=9),
        pictures=("image", "mask_image"),
    ),
    "sdxl-turbo": Tiny(partial(sdxl, trailing)),
    "sd3": Tiny(sd3),
    "sd3-without-t5": Tiny(
        partial(sd3, last=False), load={"text_encoder_3": None, "tokenizer_3": None}
    ),
}
