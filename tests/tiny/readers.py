"""Diffusion transformers that read with T5, Gemma, GLM or BERT."""

from __future__ import annotations

from functools import partial
from typing import Any

from diffusers import (
    AuraFlowPipeline,
    AuraFlowTransformer2DModel,
    AutoencoderDC,
    CogVideoXDDIMScheduler,
    CogView3PlusPipeline,
    CogView3PlusTransformer2DModel,
    CogView4Pipeline,
    CogView4Transformer2DModel,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    HunyuanDiT2DModel,
    HunyuanDiTPipeline,
    Lumina2Pipeline,
    Lumina2Transformer2DModel,
    LuminaNextDiT2DModel,
    LuminaPipeline,
    PixArtAlphaPipeline,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    SanaPipeline,
    SanaSprintPipeline,
    SanaTransformer2DModel,
    SCMScheduler,
)
from transformers import (
    BertConfig,
    BertModel,
    GemmaConfig,
    GemmaModel,
    GlmConfig,
    GlmModel,
)

from tests.tiny.parts import VOCABULARY, WIDTH, Tiny, decoder_config, flux_vae, gemma2, t5, vae
from tests.tiny.tokenizers import (
    bert_tokenizer,
    bytes_tokenizer,
    gemma_tokenizer,
    llama_tokenizer,
    t5_tokenizer,
)


def sana_vae() -> AutoencoderDC:
    """The deep autoencoder: thirty-two pixels to a latent."""
    return AutoencoderDC(
        in_channels=3,
        latent_channels=8,
        attention_head_dim=8,
        encoder_block_types=("ResBlock",) * 6,
        decoder_block_types=("ResBlock",) * 6,
        encoder_block_out_channels=(8,) * 6,
        decoder_block_out_channels=(8,) * 6,
        encoder_qkv_multiscales=((),) * 6,
        decoder_qkv_multiscales=((),) * 6,
        encoder_layers_per_block=(1,) * 6,
        decoder_layers_per_block=(1,) * 6,
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        decoder_norm_types="rms_norm",
        decoder_act_fns="silu",
        scaling_factor=0.41407,
    )


def sana(kind: Any = SanaPipeline, scheduler: Any = None, **more: Any) -> SanaPipeline:
    """Sana."""
    return kind(
        scheduler=scheduler
        or DPMSolverMultistepScheduler(
            flow_shift=3.0, prediction_type="flow_prediction", use_flow_sigmas=True
        ),
        vae=sana_vae(),
        text_encoder=gemma2(),
        tokenizer=gemma_tokenizer(),
        transformer=SanaTransformer2DModel(
            patch_size=1,
            in_channels=8,
            out_channels=8,
            num_layers=2,  # a ControlNet steers from the second on
            num_attention_heads=2,
            attention_head_dim=8,
            num_cross_attention_heads=2,
            cross_attention_head_dim=8,
            cross_attention_dim=16,
            caption_channels=WIDTH,
            sample_size=32,
            **more,
        ),
    )


def sprint() -> SanaSprintPipeline:
    """Sana-Sprint: one or two steps."""
    return sana(
        SanaSprintPipeline,
        SCMScheduler(),
        qk_norm="rms_norm_across_heads",
        guidance_embeds=True,
    )


def pixart(kind: Any = PixArtAlphaPipeline, size: int = 1024, scale: float = 0.18215) -> Any:
    """PixArt. The alpha of 1024 pixels is told of sizes."""
    return kind(
        scheduler=DPMSolverMultistepScheduler(),
        vae=vae(4, scaling_factor=scale),
        text_encoder=t5(),
        tokenizer=t5_tokenizer(),
        transformer=PixArtTransformer2DModel(
            sample_size=size // 8,
            num_layers=1,
            patch_size=2,
            attention_head_dim=8,
            num_attention_heads=3,
            caption_channels=WIDTH,
            in_channels=4,
            cross_attention_dim=24,
            out_channels=8,
        ),
    )


def lumina2() -> Lumina2Pipeline:
    """Lumina 2."""
    return Lumina2Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=6.0),
        vae=flux_vae(),
        text_encoder=gemma2(),
        tokenizer=gemma_tokenizer(),
        transformer=Lumina2Transformer2DModel(
            sample_size=16,
            patch_size=2,
            in_channels=16,
            hidden_size=16,
            num_layers=1,
            num_refiner_layers=1,
            num_attention_heads=1,
            num_kv_heads=1,
            multiple_of=16,
            axes_dim_rope=(8, 4, 4),
            axes_lens=(512, 256, 256),
            cap_feat_dim=WIDTH,
        ),
    )


def lumina() -> LuminaPipeline:
    """Lumina-Next."""
    return LuminaPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae(4, scaling_factor=0.13025),
        text_encoder=GemmaModel(GemmaConfig(**decoder_config())),
        tokenizer=gemma_tokenizer(),
        transformer=LuminaNextDiT2DModel(
            sample_size=16,
            patch_size=2,
            in_channels=4,
            hidden_size=32,
            num_layers=1,
            num_attention_heads=2,
            num_kv_heads=1,
            multiple_of=16,
            cross_attention_dim=WIDTH,
        ),
    )


def hunyuan_dit() -> HunyuanDiTPipeline:
    """HunyuanDiT: BERT and T5."""
    bert = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
    )
    return HunyuanDiTPipeline(
        scheduler=DDPMScheduler(
            beta_start=0.00085,
            beta_end=0.018,
            beta_schedule="scaled_linear",
            clip_sample=False,
            prediction_type="v_prediction",
            steps_offset=1,
        ),
        vae=vae(4, scaling_factor=0.13025),
        text_encoder=BertModel(bert),
        tokenizer=bert_tokenizer(),
        text_encoder_2=t5(),
        tokenizer_2=t5_tokenizer(256),
        transformer=HunyuanDiT2DModel(
            sample_size=16,
            num_layers=4,  # a ControlNet steers the last of them
            patch_size=2,
            attention_head_dim=8,
            num_attention_heads=3,
            in_channels=4,
            cross_attention_dim=WIDTH,
            cross_attention_dim_t5=WIDTH,
            pooled_projection_dim=16,
            hidden_size=24,
            activation_fn="gelu-approximate",
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def aura_flow() -> AuraFlowPipeline:
    """AuraFlow."""
    return AuraFlowPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.73),
        vae=vae(4, scaling_factor=0.13025),
        text_encoder=t5(multilingual=True),
        tokenizer=llama_tokenizer(),
        transformer=AuraFlowTransformer2DModel(
            sample_size=16,
            patch_size=2,
            in_channels=4,
            num_mmdit_layers=1,
            num_single_dit_layers=1,
            attention_head_dim=8,
            num_attention_heads=4,
            caption_projection_dim=32,
            joint_attention_dim=WIDTH,
            out_channels=4,
            pos_embed_max_size=4096,
        ),
    )


def cog_view4() -> CogView4Pipeline:
    """CogView 4."""
    return CogView4Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(
            base_shift=0.25,
            max_shift=0.75,
            base_image_seq_len=256,
            use_dynamic_shifting=True,
            time_shift_type="linear",
        ),
        vae=flux_vae(scaling_factor=1.0, shift_factor=0.0),
        text_encoder=GlmModel(GlmConfig(**decoder_config())),
        tokenizer=bytes_tokenizer(left=True),
        transformer=CogView4Transformer2DModel(
            sample_size=16,
            patch_size=2,
            in_channels=16,
            num_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            out_channels=16,
            text_embed_dim=WIDTH,
            time_embed_dim=16,
            condition_dim=8,
        ),
    )


def cog_view3() -> CogView3PlusPipeline:
    """CogView 3 Plus."""
    return CogView3PlusPipeline(
        scheduler=CogVideoXDDIMScheduler(
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
            timestep_spacing="trailing",
            clip_sample=False,
        ),
        vae=vae(16, scaling_factor=1.0),
        text_encoder=t5(),
        tokenizer=t5_tokenizer(),
        transformer=CogView3PlusTransformer2DModel(
            sample_size=16,
            patch_size=2,
            in_channels=16,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            out_channels=16,
            text_embed_dim=WIDTH,
            time_embed_dim=16,
            condition_dim=8,
            pos_embed_max_size=128,
        ),
    )


EXACTLY = {"use_resolution_binning": False}

MODELS = {
    "sana": Tiny(sana, call=EXACTLY),
    "sana-sprint": Tiny(sprint, call=EXACTLY),
    "pixart-alpha": Tiny(pixart, call=EXACTLY),
    "pixart-sigma": Tiny(
        partial(pixart, PixArtSigmaPipeline, size=128, scale=0.13025),
        call=EXACTLY,
    ),
    "lumina2": Tiny(lumina2),
    "lumina": Tiny(lumina),
    "hunyuan-dit": Tiny(hunyuan_dit, call=EXACTLY),
    "auraflow": Tiny(aura_flow),
    "cogview4": Tiny(cog_view4),
    "cogview3-plus": Tiny(cog_view3),
}
