"""Those that read with one of Qwen's language models."""

from __future__ import annotations

from functools import partial
from typing import Any

from diffusers import (
    AdaptiveProjectedMixGuidance,
    AutoencoderKLHunyuanImage,
    FlowMatchEulerDiscreteScheduler,
    HunyuanImagePipeline,
    HunyuanImageTransformer2DModel,
    Ideogram4Pipeline,
    Ideogram4Transformer2DModel,
    Krea2Pipeline,
    Krea2Transformer2DModel,
    OvisImagePipeline,
    OvisImageTransformer2DModel,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from diffusers.pipelines.ideogram4.pipeline_ideogram4 import QWEN3_VL_ACTIVATION_LAYERS
from transformers import (
    ByT5Tokenizer,
    Qwen3Model,
    Qwen3VLConfig,
    Qwen3VLModel,
)

from tests.tiny.flux import shifting
from tests.tiny.parts import (
    WIDTH,
    Tiny,
    decoder_config,
    flux2_vae,
    flux_vae,
    qwen3,
    qwen_vae,
    qwen_vl,
    t5,
)
from tests.tiny.tokenizers import qwen_tokenizer


def z_image(turbo: bool = True) -> ZImagePipeline:
    """Z-Image: turbo shifts by three, the base by six."""
    return ZImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0 if turbo else 6.0),
        vae=flux_vae(),
        text_encoder=Qwen3Model(qwen3()),
        tokenizer=qwen_tokenizer(),
        transformer=ZImageTransformer2DModel(
            all_patch_size=(2,),
            all_f_patch_size=(1,),
            in_channels=16,
            dim=WIDTH,
            n_layers=1,
            n_refiner_layers=1,
            n_heads=2,
            n_kv_heads=2,
            cap_feat_dim=WIDTH,
            axes_dims=[8, 4, 4],
            axes_lens=[1536, 512, 512],
        ),
    )


def qwen_transformer(**more: Any) -> QwenImageTransformer2DModel:
    """Qwen-Image's; a token is a patch of 2 x 2 latents."""
    config = {
        "patch_size": 2,
        "in_channels": 16,
        "out_channels": 4,
        "num_layers": 1,
        "attention_head_dim": 16,
        "num_attention_heads": 2,
        "joint_attention_dim": WIDTH,
        "axes_dims_rope": (8, 4, 4),
    }
    return QwenImageTransformer2DModel(**config | more)


def qwen_image() -> QwenImagePipeline:
    """Qwen-Image."""
    return QwenImagePipeline(
        scheduler=shifting(shift=1.0, base_shift=0.5, max_shift=0.9, shift_terminal=0.02),
        vae=qwen_vae(),
        text_encoder=qwen_vl(),
        tokenizer=qwen_tokenizer(),
        transformer=qwen_transformer(),
    )


def hunyuan_image(distilled: bool = False) -> HunyuanImagePipeline:
    """HunyuanImage 2.1: it reads what is to be written in the picture by the letter."""
    return HunyuanImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=4.0 if distilled else 5.0),
        vae=AutoencoderKLHunyuanImage(
            in_channels=3,
            out_channels=3,
            latent_channels=8,
            block_out_channels=(32, 32, 32, 32, 32, 32),
            layers_per_block=1,
            scaling_factor=0.75289,
            spatial_compression_ratio=32,
            sample_size=128,
        ),
        text_encoder=qwen_vl(),
        tokenizer=qwen_tokenizer(),
        text_encoder_2=t5(),
        tokenizer_2=ByT5Tokenizer(),
        transformer=HunyuanImageTransformer2DModel(
            in_channels=8,
            out_channels=8,
            num_attention_heads=2,
            attention_head_dim=8,
            num_layers=1,
            num_single_layers=1,
            num_refiner_layers=1,
            patch_size=(1, 1),
            guidance_embeds=distilled,
            text_embed_dim=WIDTH,
            text_embed_2_dim=WIDTH,
            rope_axes_dim=(4, 4),
        ),
        guider=None if distilled else AdaptiveProjectedMixGuidance(),
        ocr_guider=None if distilled else AdaptiveProjectedMixGuidance(),
    )


def ovis() -> OvisImagePipeline:
    """Ovis-Image: FLUX.1's transformer, read with Qwen 3."""
    return OvisImagePipeline(
        scheduler=shifting(),
        vae=flux_vae(),
        text_encoder=Qwen3Model(qwen3()),
        tokenizer=qwen_tokenizer(),
        transformer=OvisImageTransformer2DModel(
            patch_size=1,
            in_channels=64,
            out_channels=64,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            axes_dims_rope=(4, 6, 6),
        ),
    )


def qwen3_vl_config(layers: int) -> Qwen3VLConfig:
    """The settings of Qwen 3 that sees."""
    return Qwen3VLConfig(
        text_config=decoder_config(
            layers, rope_scaling={"mrope_section": [4, 2, 2], "rope_type": "default"}
        ),
        vision_config={
            "depth": 1,
            "hidden_size": WIDTH,
            "intermediate_size": WIDTH,
            "num_heads": 2,
            "out_hidden_size": WIDTH,
            "deepstack_visual_indexes": [0],
            "num_position_embeddings": 64,
        },
        vision_start_token_id=623,
        vision_end_token_id=624,
        image_token_id=626,
        video_token_id=627,
    )


def qwen3_vl(layers: int) -> Qwen3VLModel:
    """Qwen 3 that sees."""
    return Qwen3VLModel(qwen3_vl_config(layers))


def krea2(distilled: bool = False) -> Krea2Pipeline:
    """Krea 2."""
    return Krea2Pipeline(
        scheduler=shifting(shift=1.0, max_image_seq_len=6400),
        vae=qwen_vae(),
        text_encoder=qwen3_vl(2),
        tokenizer=qwen_tokenizer(),
        transformer=Krea2Transformer2DModel(
            in_channels=16,
            num_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            num_key_value_heads=2,
            intermediate_size=WIDTH,
            timestep_embed_dim=16,
            text_hidden_dim=WIDTH,
            num_text_layers=3,
            text_num_attention_heads=2,
            text_num_key_value_heads=1,
            text_intermediate_size=WIDTH,
            num_layerwise_text_blocks=1,
            num_refiner_text_blocks=1,
            axes_dims_rope=(8, 4, 4),
        ),
        text_encoder_select_layers=(0, 1, 2),
        is_distilled=distilled,
    )


def ideogram() -> Ideogram4Pipeline:
    """Ideogram 4: a transformer for the prompt, another for none."""

    def transformer() -> Ideogram4Transformer2DModel:
        return Ideogram4Transformer2DModel(
            in_channels=16,
            num_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            intermediate_size=WIDTH,
            adaln_dim=16,
            llm_features_dim=len(QWEN3_VL_ACTIVATION_LAYERS) * WIDTH,
            rope_theta=10_000,
            mrope_section=(4, 2, 2),
        )

    return Ideogram4Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=flux2_vae(),
        text_encoder=qwen3_vl(max(QWEN3_VL_ACTIVATION_LAYERS) + 1),
        tokenizer=qwen_tokenizer(2048),
        transformer=transformer(),
        unconditional_transformer=transformer(),
    )


MODELS = {
    "z-image": Tiny(partial(z_image, turbo=False)),
    "z-image-turbo": Tiny(z_image),
    "qwen-image": Tiny(qwen_image),
    "hunyuan-image": Tiny(hunyuan_image),
    "hunyuan-image-distilled": Tiny(partial(hunyuan_image, distilled=True)),
    "ovis-image": Tiny(ovis),
    "krea2": Tiny(krea2),
    "krea2-distilled": Tiny(partial(krea2, distilled=True)),
    "ideogram4": Tiny(ideogram, call={"guidance_schedule": None, "guidance_scale": 7.0}),
}
