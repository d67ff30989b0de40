"""Stable Cascade and Wuerstchen: a prior draws small, a decoder enlarges."""

from __future__ import annotations

from typing import Any

from diffusers import (
    DDPMWuerstchenScheduler,
    StableCascadeCombinedPipeline,
    StableCascadeUNet,
    WuerstchenCombinedPipeline,
)
from diffusers.pipelines.deprecated.wuerstchen import (
    PaellaVQModel,
    WuerstchenDiffNeXt,
    WuerstchenPrior,
)
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from tests.tiny.cascades import TWICE
from tests.tiny.parts import WIDTH, Tiny, clip
from tests.tiny.tokenizers import clip_tokenizer

RES = ("SDCascadeResBlock", "SDCascadeTimestepBlock")
ATTENDING = (*RES, "SDCascadeAttnBlock")


def vqgan() -> PaellaVQModel:
    """The autoencoder: four pixels to a latent."""
    return PaellaVQModel(bottleneck_blocks=1, embed_dim=16, num_vq_embeddings=16)


def cascade_unet(**more: Any) -> StableCascadeUNet:
    """Of two stages, in which nothing is dropped."""
    config = {
        "conditioning_dim": WIDTH,
        "block_out_channels": (WIDTH, WIDTH),
        "num_attention_heads": (2, 2),
        "down_num_layers_per_block": (1, 1),
        "up_num_layers_per_block": (1, 1),
        "down_blocks_repeat_mappers": (1, 1),
        "up_blocks_repeat_mappers": (1, 1),
        "clip_text_pooled_in_channels": WIDTH,
        "dropout": (0.0, 0.0),
    }
    return StableCascadeUNet(**config | more)


def stable_cascade() -> StableCascadeCombinedPipeline:
    """Stable Cascade."""
    return StableCascadeCombinedPipeline(
        tokenizer=clip_tokenizer(),
        text_encoder=clip(projection=True),
        decoder=cascade_unet(
            in_channels=4,
            out_channels=4,
            patch_size=2,
            effnet_in_channels=16,
            block_types_per_layer=(RES, ATTENDING),
            timestep_conditioning_type=("sca",),
        ),
        scheduler=DDPMWuerstchenScheduler(),
        vqgan=vqgan(),
        prior_prior=cascade_unet(
            block_types_per_layer=(ATTENDING, ATTENDING),
            clip_text_in_channels=WIDTH,
            clip_image_in_channels=WIDTH,
            switch_level=(False,),
        ),
        prior_text_encoder=clip(projection=True),
        prior_tokenizer=clip_tokenizer(),
        prior_scheduler=DDPMWuerstchenScheduler(),
        prior_feature_extractor=CLIPImageProcessor(size=32, crop_size=32),
        prior_image_encoder=CLIPVisionModelWithProjection(
            CLIPVisionConfig(
                hidden_size=WIDTH,
                projection_dim=WIDTH,
                intermediate_size=WIDTH,
                num_hidden_layers=1,
                num_attention_heads=2,
                image_size=32,
                patch_size=8,
            )
        ),
    )


def wuerstchen() -> WuerstchenCombinedPipeline:
    """Wuerstchen."""
    return WuerstchenCombinedPipeline(
        tokenizer=clip_tokenizer(),
        text_encoder=clip(),
        decoder=WuerstchenDiffNeXt(
            c_cond=WIDTH,
            c_hidden=[16, WIDTH],
            nhead=[-1, 2],
            blocks=[1, 1],
            level_config=["CT", "CTA"],
            inject_effnet=[False, True],
            clip_embd=WIDTH,
            dropout=0.0,
        ),
        scheduler=DDPMWuerstchenScheduler(),
        vqgan=vqgan(),
        prior_tokenizer=clip_tokenizer(),
        prior_text_encoder=clip(),
        prior_prior=WuerstchenPrior(c=WIDTH, c_cond=WIDTH, depth=2, nhead=2, dropout=0.0),
        prior_scheduler=DDPMWuerstchenScheduler(),
    )


# As they are shipped: diffusers has moved these classes since.
MOVED = {"vqgan": "wuerstchen"}

MODELS = {
    "stable-cascade": Tiny(stable_cascade, 256, 128, steps=TWICE, homes=MOVED),
    "wuerstchen": Tiny(
        wuerstchen,
        256,
        128,
        steps=TWICE,
        homes=MOVED | {"decoder": "wuerstchen", "prior_prior": "wuerstchen"},
    ),
}
