"""GLM-Image: a language model writes what the picture is made of, a transformer draws it."""

from __future__ import annotations

from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    GlmImagePipeline,
    GlmImageTransformer2DModel,
)
from transformers import (
    ByT5Tokenizer,
    GlmImageConfig,
    GlmImageForConditionalGeneration,
    GlmImageImageProcessor,
    GlmImageProcessor,
)

from tests.tiny.parts import WIDTH, Tiny, decoder_config, flux_vae, t5
from tests.tiny.tokenizers import CHAT, bytes_tokenizer

CODES = 16  # of the book that a picture is written in
NEVER = 700  # a token that is not among them, so that no picture ends early


def processor() -> GlmImageProcessor:
    """Makes tokens of words and pictures, and says how many cells the picture has."""
    # The names are kept with the tokenizer.
    words = bytes_tokenizer(
        4096,
        named={
            "image_token": "<|image_pad|>",
            "grid_bos_token": "<think>",
            "grid_eos_token": "</think>",
        },
    )
    return GlmImageProcessor(
        image_processor=GlmImageImageProcessor(
            min_pixels=32 * 32,
            max_pixels=96 * 96,
            patch_size=16,
            temporal_patch_size=1,
            merge_size=1,
        ),
        tokenizer=words,
        chat_template=CHAT,
    )


def writer() -> GlmImageForConditionalGeneration:
    """Writes the codes."""
    return GlmImageForConditionalGeneration(
        GlmImageConfig(
            text_config=decoder_config(
                rope_parameters={
                    "rope_type": "default",
                    "rope_theta": 10000.0,
                    "mrope_section": [2, 2, 4],
                },
                vision_vocab_size=CODES,
                eos_token_id=NEVER,
            ),
            vision_config={
                "depth": 1,
                "hidden_size": WIDTH,
                "intermediate_size": WIDTH,
                "num_heads": 2,
                "image_size": 128,
            },
            vq_config={"embed_dim": WIDTH, "latent_channels": WIDTH, "num_embeddings": CODES},
            image_token_id=626,
            image_start_token_id=623,
            image_end_token_id=624,
        )
    )


def glm_image() -> GlmImagePipeline:
    """GLM-Image."""
    return GlmImagePipeline(
        tokenizer=ByT5Tokenizer(),
        processor=processor(),
        text_encoder=t5(),
        vision_language_encoder=writer(),
        vae=flux_vae(latents_mean=[0.1] * 16, latents_std=[1.5] * 16),
        transformer=GlmImageTransformer2DModel(
            num_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            text_embed_dim=WIDTH,
            time_embed_dim=WIDTH,
            condition_dim=8,
            prior_vq_quantizer_codebook_size=CODES,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(
            base_shift=0.25, max_shift=0.75, use_dynamic_shifting=True, time_shift_type="linear"
        ),
    )


MODELS = {"glm-image": Tiny(glm_image)}
