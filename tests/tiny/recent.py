"""The families of the last two years that are none of the others."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from diffusers import (
    AutoencoderKLWan,
    BriaFiboPipeline,
    BriaFiboTransformer2DModel,
    BriaPipeline,
    BriaTransformer2DModel,
    ErnieImagePipeline,
    ErnieImageTransformer2DModel,
    FlowMatchEulerDiscreteScheduler,
    HiDreamImagePipeline,
    HiDreamImageTransformer2DModel,
    Kandinsky5T2IPipeline,
    Kandinsky5Transformer3DModel,
    OmniGenPipeline,
    OmniGenTransformer2DModel,
    PRXPipeline,
    PRXPixelPipeline,
    PRXTransformer2DModel,
)
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Ministral3Config,
    Mistral3Config,
    Mistral3Model,
    SmolLM3Config,
    SmolLM3ForCausalLM,
    T5GemmaConfig,
    T5GemmaModuleConfig,
)
from transformers.models.t5gemma.modeling_t5gemma import T5GemmaEncoder

from tests.tiny.flux import shifting
from tests.tiny.parts import (
    WIDTH,
    Tiny,
    clip,
    decoder_config,
    flux2_vae,
    flux_vae,
    qwen_vl,
    t5,
    vae,
)
from tests.tiny.tokenizers import (
    bytes_tokenizer,
    clip_tokenizer,
    gemma_tokenizer,
    llama_tokenizer,
    qwen_tokenizer,
    t5_tokenizer,
)

PIXTRAL = {
    "model_type": "pixtral",
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "image_size": 32,
    "patch_size": 8,
}


def omnigen() -> OmniGenPipeline:
    """OmniGen: one transformer reads and draws."""
    return OmniGenPipeline(
        transformer=OmniGenTransformer2DModel(
            hidden_size=WIDTH,
            num_attention_heads=2,
            num_key_value_heads=2,
            intermediate_size=WIDTH,
            num_layers=1,
            in_channels=4,
            time_step_dim=16,
            vocab_size=1024,
            pad_token_id=0,
            rope_scaling={"long_factor": [1.0] * 8, "short_factor": [1.0] * 8},
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(invert_sigmas=True, num_train_timesteps=1),
        vae=vae(4, scaling_factor=0.13025),
        tokenizer=llama_tokenizer(),
    )


def hidream() -> HiDreamImagePipeline:
    """HiDream-I1: two CLIPs, T5 and Llama 3."""
    return HiDreamImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=vae(16, 1, scaling_factor=0.3611, shift_factor=0.1159),
        text_encoder=clip(projection=True, max_position_embeddings=248),
        tokenizer=clip_tokenizer(),
        text_encoder_2=clip(projection=True, max_position_embeddings=248),
        tokenizer_2=clip_tokenizer(),
        text_encoder_3=t5(),
        tokenizer_3=t5_tokenizer(),
        text_encoder_4=LlamaForCausalLM(LlamaConfig(**decoder_config())),
        tokenizer_4=bytes_tokenizer(),
        transformer=HiDreamImageTransformer2DModel(
            patch_size=2,
            in_channels=16,
            out_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=32,
            num_attention_heads=1,
            caption_channels=[WIDTH, WIDTH],
            text_emb_dim=2 * WIDTH,
            num_routed_experts=2,
            num_activated_experts=1,
            axes_dims_rope=(16, 8, 8),
            max_resolution=(128, 128),
            llama_layers=[0, 1],
        ),
    )


def bria() -> BriaPipeline:
    """Bria 3.2."""
    return BriaPipeline(
        scheduler=shifting(),
        vae=vae(4, scaling_factor=0.13025, shift_factor=0),
        text_encoder=t5(),
        tokenizer=t5_tokenizer(128),
        transformer=BriaTransformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            pooled_projection_dim=None,
            axes_dims_rope=[4, 6, 6],
        ),
    )


def fibo() -> BriaFiboPipeline:
    """Bria FIBO: it is told in JSON, halves a side four times, and an empty prompt is 128000."""
    return BriaFiboPipeline(
        scheduler=shifting(),
        vae=AutoencoderKLWan(
            base_dim=8,
            z_dim=16,
            dim_mult=[1, 2, 2, 2],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
            in_channels=12,
            out_channels=12,
            patch_size=2,
            scale_factor_spatial=16,
            is_residual=True,
        ),
        text_encoder=SmolLM3ForCausalLM(SmolLM3Config(**decoder_config(vocab_size=128001))),
        tokenizer=bytes_tokenizer(3000),
        transformer=BriaFiboTransformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=2 * WIDTH,
            text_encoder_dim=WIDTH,
            pooled_projection_dim=None,
            axes_dims_rope=[4, 6, 6],
        ),
    )


def kandinsky5() -> Kandinsky5T2IPipeline:
    """Kandinsky 5, of pictures."""
    return Kandinsky5T2IPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=flux_vae(mid_block_add_attention=False),
        text_encoder=qwen_vl(),
        tokenizer=qwen_tokenizer(),
        text_encoder_2=clip(),
        tokenizer_2=clip_tokenizer(),
        transformer=Kandinsky5Transformer3DModel(
            in_visual_dim=16,
            in_text_dim=WIDTH,
            in_text_dim2=WIDTH,
            time_dim=16,
            out_visual_dim=16,
            patch_size=(1, 2, 2),
            model_dim=32,
            ff_dim=32,
            num_text_blocks=1,
            num_visual_blocks=1,
            axes_dims=(4, 6, 6),
            visual_cond=False,
            attention_type="regular",
        ),
    )


def t5_gemma() -> T5GemmaEncoder:
    """The encoder of T5Gemma."""
    config = decoder_config(
        layer_types=["full_attention"] * 2,
        query_pre_attn_scalar=16,
        max_position_embeddings=256,
        dropout_rate=0.0,
        attention_dropout=0.0,
        attention_bias=False,
        attn_logit_softcapping=50.0,
        final_logit_softcapping=30.0,
        hidden_activation="gelu_pytorch_tanh",
        rope_theta=10000.0,
        sliding_window=4096,
    )
    module = T5GemmaModuleConfig(**config)
    reader = T5GemmaEncoder(module)
    reader.config = T5GemmaConfig(encoder=module, decoder=module)  # as it is shipped
    return reader


def prx_transformer(**more: Any) -> PRXTransformer2DModel:
    """PRX's."""
    config = {
        "patch_size": 2,
        "in_channels": 16,
        "context_in_dim": WIDTH,
        "hidden_size": WIDTH,
        "mlp_ratio": 2.0,
        "num_heads": 2,
        "depth": 1,
        "axes_dim": [8, 8],
    }
    return PRXTransformer2DModel(**config | more)


def prx() -> PRXPipeline:
    """PRX."""
    return PRXPipeline(
        transformer=prx_transformer(),
        vae=flux_vae(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        text_encoder=t5_gemma(),
        tokenizer=gemma_tokenizer(256),
    )


def prx_pixel() -> PRXPixelPipeline:
    """PRX that draws pixels, in patches of sixteen."""
    return PRXPixelPipeline(
        transformer=prx_transformer(patch_size=16, in_channels=3, bottleneck_size=WIDTH),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        text_encoder=t5_gemma(),
        tokenizer=gemma_tokenizer(256),
    )


def ernie() -> ErnieImagePipeline:
    """ERNIE-Image."""
    return ErnieImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=flux2_vae(),
        text_encoder=Mistral3Model(
            Mistral3Config(text_config=Ministral3Config(**decoder_config()), vision_config=PIXTRAL)
        ),
        tokenizer=bytes_tokenizer(),
        transformer=ErnieImageTransformer2DModel(
            hidden_size=WIDTH,
            num_attention_heads=2,
            num_layers=1,
            ffn_hidden_size=WIDTH,
            in_channels=16,
            out_channels=16,
            patch_size=1,
            text_in_dim=WIDTH,
            rope_axes_dim=(8, 4, 4),
        ),
    )


MODELS = {
    "hidream": Tiny(hidream, width=312, height=208),  # it brings any size to this area
    "bria": Tiny(bria),
    "bria-fibo": Tiny(fibo),
    "kandinsky5": Tiny(kandinsky5, width=1280, height=768),  # one of its few sizes
    "ernie-image": Tiny(ernie),
    "prx": Tiny(prx, call={"use_resolution_binning": False}),
    "prx-pixel": Tiny(prx_pixel, call={"use_resolution_binning": False}),
}

if find_spec("torchvision"):
    MODELS["omnigen"] = Tiny(omnigen)
