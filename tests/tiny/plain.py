"""The plainest two: a word is a token, and a side is halved once (or four times)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from tests.tiny.tokenizers import WORDS, make_tokenizer


def save_unet(folder: Path) -> Path:
    """Stable Diffusion's family: a UNet that predicts noise, 32 x 32 pixels."""
    torch.manual_seed(0)
    StableDiffusionPipeline(
        vae=_vae(4),
        text_encoder=CLIPTextModel(_text_config()),
        tokenizer=make_tokenizer(),
        unet=UNet2DConditionModel(
            sample_size=16,
            in_channels=4,
            out_channels=4,
            block_out_channels=(8, 16),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=16,
            attention_head_dim=2,
            norm_num_groups=4,
        ),
        scheduler=EulerDiscreteScheduler(steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder, safe_serialization=True)
    return folder


def save_flow(folder: Path, halvings: int = 1) -> Path:
    """Stable Diffusion 3's family: a transformer that predicts a velocity, 32 x 32 pixels."""
    torch.manual_seed(0)
    StableDiffusion3Pipeline(
        transformer=SD3Transformer2DModel(
            sample_size=32 >> halvings,
            patch_size=2,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=32,
            caption_projection_dim=16,
            pooled_projection_dim=32,
            pos_embed_max_size=24,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=_vae(4, halvings, shift_factor=0.1),
        text_encoder=CLIPTextModelWithProjection(_text_config()),
        tokenizer=make_tokenizer(),
        text_encoder_2=CLIPTextModelWithProjection(_text_config()),
        tokenizer_2=make_tokenizer(),
        text_encoder_3=None,
        tokenizer_3=None,
    ).save_pretrained(folder, safe_serialization=True)
    return folder


def save_coarse(folder: Path) -> Path:
    """The same with 16 x 16 pixels to a latent, and four latents to a patch."""
    return save_flow(folder, halvings=4)


def _vae(channels: int, halvings: int = 1, **more: Any) -> AutoencoderKL:
    """Halves the sides so many times."""
    stages = halvings + 1
    return AutoencoderKL(
        block_out_channels=(8,) * stages,
        down_block_types=("DownEncoderBlock2D",) * stages,
        up_block_types=("UpDecoderBlock2D",) * stages,
        latent_channels=channels,
        norm_num_groups=4,
        sample_size=32,
        **more,
    )


def _text_config() -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        intermediate_size=16,
        num_attention_heads=2,
        num_hidden_layers=2,
        max_position_embeddings=16,
        projection_dim=16,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
