"""What the tiny checkpoints are put together from: text encoders, autoencoders, weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import AutoencoderKL, AutoencoderKLFlux2, AutoencoderKLQwenImage, DiffusionPipeline
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Gemma2Config,
    Gemma2Model,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3Config,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)

VOCABULARY = 704  # no tokenizer of ours has more
WIDTH = 32


@dataclass(frozen=True, slots=True)
class Tiny:
    """One tiny checkpoint: how it is built, and the least that a call of it needs."""

    build: Callable[[], DiffusionPipeline]
    width: int = 96  # a size that is not a square, small enough to be drawn at once
    height: int = 64
    call: Mapping[str, Any] = field(default_factory=dict)  # beside prompt, steps and size
    pictures: tuple[str, ...] = ()  # arguments that are pictures of that size
    steps: tuple[str, ...] = ("num_inference_steps",)  # a combined pipeline has two
    sized: bool = True  # whether a call takes width and height
    load: Mapping[str, Any] = field(default_factory=dict)  # what `from_pretrained` must be given
    homes: Mapping[str, str] = field(default_factory=dict)  # where the class of a part once was


def lively(module: torch.nn.Module, seed: int, gain: float = 1.0) -> None:
    """Draws every weight, also those that begin as nothing or unset, so that all of it matters."""
    generator = torch.Generator().manual_seed(seed)
    for name, weights in module.named_parameters():
        with torch.no_grad():
            if weights.ndim >= 2:
                weights.normal_(0, gain * weights[0].numel() ** -0.5, generator=generator)
            elif name.endswith("bias"):
                weights.normal_(0, 0.02, generator=generator)
            elif not torch.isfinite(weights).all() or not weights.any():
                weights.normal_(0, 0.1, generator=generator)


def enliven(pipeline: DiffusionPipeline) -> None:
    """The same for all parts of a pipeline."""
    for i, (_, part) in enumerate(sorted(pipeline.components.items())):
        if isinstance(part, torch.nn.Module):
            lively(part.eval(), i)


def clip(projection: bool = False, **more: Any) -> CLIPTextModel | CLIPTextModelWithProjection:
    """CLIP's text encoder, `WIDTH` wide."""
    config = {
        "vocab_size": VOCABULARY,
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_attention_heads": 2,
        "num_hidden_layers": 3,
        "projection_dim": WIDTH,
        "bos_token_id": 686,
        "eos_token_id": 687,
        "pad_token_id": 687,
    }
    kind = CLIPTextModelWithProjection if projection else CLIPTextModel
    return kind(CLIPTextConfig(**config | more))


def t5(width: int = WIDTH, multilingual: bool = False) -> T5EncoderModel | UMT5EncoderModel:
    """T5's encoder, or that of UMT5."""
    config = {
        "vocab_size": VOCABULARY,
        "d_model": width,
        "d_kv": 8,
        "d_ff": WIDTH,
        "num_layers": 2,
        "num_heads": 2,
        "feed_forward_proj": "gated-gelu",
        "dropout_rate": 0.0,
    }
    if multilingual:
        return UMT5EncoderModel(UMT5Config(**config))
    return T5EncoderModel(T5Config(**config))


def decoder_config(layers: int = 2, **more: Any) -> dict[str, Any]:
    """The settings that today's language models share."""
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 2048,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    } | more


def qwen3(layers: int = 2, **more: Any) -> Qwen3Config:
    """Qwen 3's settings."""
    return Qwen3Config(**decoder_config(layers, **more))


def qwen_vl() -> Qwen2_5_VLForConditionalGeneration:
    """Qwen 2.5's, that sees."""
    config = Qwen2_5_VLConfig(
        text_config=decoder_config(
            rope_scaling={"mrope_section": [2, 2, 4], "rope_type": "default", "type": "default"},
            rope_theta=1000000.0,
        ),
        vision_config={
            "depth": 1,
            "hidden_size": WIDTH,
            "intermediate_size": WIDTH,
            "num_heads": 2,
            "out_hidden_size": WIDTH,
            "fullatt_block_indexes": [0],
        },
        vision_start_token_id=623,
        vision_end_token_id=624,
        vision_token_id=625,
        image_token_id=626,
        video_token_id=627,
    )
    return Qwen2_5_VLForConditionalGeneration(config)


def gemma2() -> Gemma2Model:
    """Gemma 2's."""
    return Gemma2Model(Gemma2Config(**decoder_config(attn_implementation="eager")))


def vae(channels: int = 4, halvings: int = 3, **more: Any) -> AutoencoderKL:
    """Halves the sides so many times: thrice, as that of nearly all families."""
    stages = halvings + 1
    config = {
        "block_out_channels": (8,) * stages,
        "down_block_types": ("DownEncoderBlock2D",) * stages,
        "up_block_types": ("UpDecoderBlock2D",) * stages,
        "latent_channels": channels,
        "norm_num_groups": 4,
        "sample_size": 128,
    }
    return AutoencoderKL(**config | more)


def flux_vae(**more: Any) -> AutoencoderKL:
    """That of FLUX.1, as Chroma, Z-Image and others have it, but for its channels."""
    config = {
        "use_quant_conv": False,
        "use_post_quant_conv": False,
        "scaling_factor": 0.3611,
        "shift_factor": 0.1159,
    }
    return vae(16, **config | more)


def flux2_vae() -> AutoencoderKLFlux2:
    """That of FLUX.2: its latents are normalised by what it has counted."""
    made = AutoencoderKLFlux2(
        block_out_channels=(8,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=128,
    )
    made.bn.running_mean.fill_(0.25)
    made.bn.running_var.fill_(1.5)
    return made


def qwen_vae(**more: Any) -> AutoencoderKLQwenImage:
    """Qwen-Image's: of videos, so that its latents have a dimension for time."""
    config = {
        "base_dim": 8,
        "z_dim": 4,
        "dim_mult": [1, 2, 2, 2],
        "num_res_blocks": 1,
        "temperal_downsample": [False, True, True],
        "latents_mean": [0.1, -0.2, 0.3, 0.0],
        "latents_std": [1.5, 1.2, 0.9, 1.1],
    }
    return AutoencoderKLQwenImage(**config | more)
