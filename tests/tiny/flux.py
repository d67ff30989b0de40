"""FLUX.1, FLUX.2, and those that are made from them."""

from __future__ import annotations

from functools import partial
from typing import Any

from diffusers import (
    ChromaPipeline,
    ChromaTransformer2DModel,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Pipeline,
    Flux2Transformer2DModel,
    FluxControlPipeline,
    FluxFillPipeline,
    FluxKontextPipeline,
    FluxPipeline,
    FluxTransformer2DModel,
)
from transformers import Mistral3Config, Mistral3ForConditionalGeneration, Qwen3ForCausalLM

from tests.tiny.parts import WIDTH, Tiny, clip, decoder_config, flux2_vae, flux_vae, qwen3, t5
from tests.tiny.tokenizers import bytes_tokenizer, clip_tokenizer, qwen_tokenizer, t5_tokenizer


def shifting(**more: Any) -> FlowMatchEulerDiscreteScheduler:
    """The scheduler of FLUX: it shifts the more the larger the picture is."""
    config = {"shift": 3.0, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}
    return FlowMatchEulerDiscreteScheduler(**config | more)


def flux_transformer(**more: Any) -> FluxTransformer2DModel:
    """FLUX.1's transformer; a patch of 2 x 2 latents of sixteen channels is a token."""
    config = {
        "patch_size": 1,
        "in_channels": 64,
        "num_layers": 1,
        "num_single_layers": 1,
        "attention_head_dim": 16,
        "num_attention_heads": 2,
        "joint_attention_dim": WIDTH,
        "pooled_projection_dim": WIDTH,
        "axes_dims_rope": (4, 6, 6),
        "guidance_embeds": True,
    }
    return FluxTransformer2DModel(**config | more)


def flux(
    kind: type[FluxPipeline] = FluxPipeline, *, slow: bool = True, **more: Any
) -> FluxPipeline:
    """FLUX.1 dev, or schnell: without the guidance, and nothing is shifted."""
    return kind(
        scheduler=shifting() if slow else FlowMatchEulerDiscreteScheduler(shift=1.0),
        vae=flux_vae(),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(),
        text_encoder_2=t5(),
        tokenizer_2=t5_tokenizer(),
        transformer=flux_transformer(guidance_embeds=slow, **more),
    )


def flux2_transformer(texts: int = 3, **more: Any) -> Flux2Transformer2DModel:
    """FLUX.2's: a token is 2 x 2 latents, put one behind the other by the pipeline."""
    config = {
        "patch_size": 1,
        "in_channels": 16,
        "num_layers": 1,
        "num_single_layers": 1,
        "attention_head_dim": 16,
        "num_attention_heads": 2,
        "joint_attention_dim": texts * WIDTH,
        "axes_dims_rope": (4, 4, 4, 4),
    }
    return Flux2Transformer2DModel(**config | more)


def flux2() -> Flux2Pipeline:
    """FLUX.2 dev. It reads the tenth, twentieth and thirtieth layer of its text encoder."""
    return Flux2Pipeline(
        scheduler=shifting(),
        vae=flux2_vae(),
        text_encoder=Mistral3ForConditionalGeneration(
            Mistral3Config(
                text_config=decoder_config(30, model_type="mistral", sliding_window=None),
                vision_config={
                    "model_type": "pixtral",
                    "hidden_size": 16,
                    "num_hidden_layers": 1,
                    "num_attention_heads": 2,
                    "intermediate_size": 16,
                    "image_size": 32,
                    "patch_size": 8,
                },
            )
        ),
        tokenizer=bytes_tokenizer(),
        transformer=flux2_transformer(guidance_embeds=True),
    )


def klein(distilled: bool = True) -> Flux2KleinPipeline:
    """FLUX.2 Klein. It reads the ninth, the eighteenth and the twenty-seventh layer."""
    return Flux2KleinPipeline(
        scheduler=shifting(),
        vae=flux2_vae(),
        text_encoder=Qwen3ForCausalLM(qwen3(27)),
        tokenizer=qwen_tokenizer(),
        transformer=flux2_transformer(guidance_embeds=False),
        is_distilled=distilled,
    )


def chroma() -> ChromaPipeline:
    """Chroma: FLUX.1 without the guidance, and with a negative prompt."""
    return ChromaPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_beta_sigmas=False),
        vae=flux_vae(),
        text_encoder=t5(),
        tokenizer=t5_tokenizer(),
        transformer=ChromaTransformer2DModel(
            patch_size=1,
            in_channels=64,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            axes_dims_rope=(4, 6, 6),
            approximator_hidden_dim=32,
            approximator_layers=1,
            approximator_num_channels=16,
        ),
    )


MODELS = {
    "flux-dev": Tiny(flux),
    "flux-schnell": Tiny(partial(flux, slow=False)),
    "flux-kontext": Tiny(
        partial(flux, FluxKontextPipeline), call={"_auto_resize": False, "max_area": 96 * 64}
    ),
    "flux-fill": Tiny(
        partial(flux, FluxFillPipeline, in_channels=384, out_channels=64),
        pictures=("image", "mask_image"),
    ),
    "flux-control": Tiny(
        partial(flux, FluxControlPipeline, in_channels=128, out_channels=64),
        pictures=("control_image",),
    ),
    "flux2": Tiny(flux2),
    "flux2-klein": Tiny(klein),
    "flux2-klein-base": Tiny(partial(klein, distilled=False)),
    "chroma": Tiny(chroma),
}
