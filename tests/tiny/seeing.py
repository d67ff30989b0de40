"""Those that read with a language model that sees pictures, too."""

from __future__ import annotations

from functools import partial
from typing import Any

from diffusers import (
    AutoencoderKLQwenImage21,
    AutoencoderTiny,
    BriaFibo2Pipeline,
    BriaFibo2Transformer2DModel,
    DreamLiteMobilePipeline,
    DreamLitePipeline,
    DreamLiteUNetModel,
    FlowMatchEulerDiscreteScheduler,
    LongCatImageEditPipeline,
    LongCatImagePipeline,
    LongCatImageTransformer2DModel,
    NucleusMoEImagePipeline,
    NucleusMoEImageTransformer2DModel,
    QwenImage21Pipeline,
    QwenImage21Transformer2DModel,
    QwenImageEditPipeline,
    QwenImageEditPlusPipeline,
    ZImageOmniPipeline,
    ZImageTransformer2DModel,
)
from diffusers.pipelines.bria_fibo2.pipeline_bria_fibo2 import TEXT_ENCODER_OUT_LAYERS
from transformers import (
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen3Model,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Siglip2ImageProcessor,
    Siglip2VisionConfig,
    Siglip2VisionModel,
)
from underpaint.engines.pipelines.ready import has_torchvision, without_videos

from tests.tiny.flux import shifting
from tests.tiny.parts import WIDTH, Tiny, flux2_vae, flux_vae, qwen3, qwen_vae, qwen_vl
from tests.tiny.qwen import qwen3_vl_config, qwen_transformer
from tests.tiny.tokenizers import CHAT, qwen_tokenizer

SIGLIP = 16  # the width of what it sees


def processor(kind: Any = Qwen3VLProcessor) -> Any:
    """Makes tokens of words and pictures."""
    parts: dict[str, Any] = {
        "image_processor": Qwen2VLImageProcessor(
            min_pixels=32 * 32,
            max_pixels=2048 * 2048 if kind is Qwen3VLProcessor else 96 * 96,
            patch_size=16 if kind is Qwen3VLProcessor else 14,
        ),
        "tokenizer": qwen_tokenizer(4096),
        "chat_template": CHAT,
    }
    if not has_torchvision():
        return without_videos(kind)(**parts)
    from transformers import Qwen2VLVideoProcessor, Qwen3VLVideoProcessor

    videos = Qwen2VLVideoProcessor if kind is Qwen2VLProcessor else Qwen3VLVideoProcessor
    return kind(**parts, video_processor=videos())


def qwen3_sees(layers: int = 2) -> Qwen3VLForConditionalGeneration:
    """Qwen 3 that sees and talks."""
    return Qwen3VLForConditionalGeneration(qwen3_vl_config(layers))


def qwen_edit(kind: Any = QwenImageEditPipeline) -> Any:
    """Qwen-Image-Edit: it brings the picture that it sees to a million pixels."""
    return kind(
        scheduler=shifting(shift=1.0, base_shift=0.5, max_shift=0.9, shift_terminal=0.02),
        vae=qwen_vae(base_dim=4, dim_mult=[1, 1, 1, 1]),
        text_encoder=qwen_vl(),
        tokenizer=qwen_tokenizer(),
        processor=processor(Qwen2VLProcessor),
        transformer=qwen_transformer(),
    )


def qwen21() -> QwenImage21Pipeline:
    """Qwen-Image 2.1: sixteen pixels to a latent, in no patches, and four channels of colour."""
    return QwenImage21Pipeline(
        scheduler=shifting(shift=1.0),
        vae=AutoencoderKLQwenImage21(
            base_dim=8,
            decoder_base_dim=8,
            z_dim=8,
            dim_mult=[1, 1, 1, 1, 1],
            num_res_blocks=1,
            latents_mean=[0.1] * 8,
            latents_std=[1.5] * 8,
        ),
        text_encoder=qwen3_sees(),
        processor=processor(),
        transformer=QwenImage21Transformer2DModel(
            in_channels=8,
            out_channels=8,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            context_in_dim=WIDTH,
            axes_dims_rope=(4, 6, 6),
        ),
    )


def longcat(kind: Any = LongCatImagePipeline) -> Any:
    """LongCat-Image, or its editor."""
    return kind(
        scheduler=shifting(),
        vae=flux_vae(),
        text_encoder=qwen_vl(),
        tokenizer=qwen_tokenizer(),
        text_processor=processor(Qwen2VLProcessor),
        transformer=LongCatImageTransformer2DModel(
            in_channels=64,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            pooled_projection_dim=WIDTH,
            axes_dims_rope=[4, 6, 6],
        ),
    )


def nucleus() -> NucleusMoEImagePipeline:
    """NucleusMoE-Image: it reads the eighth of the last layers."""
    return NucleusMoEImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=qwen_vae(),
        text_encoder=qwen3_sees(10),
        processor=processor(),
        transformer=NucleusMoEImageTransformer2DModel(
            in_channels=16,
            out_channels=4,
            num_layers=5,
            attention_head_dim=32,  # with less, its layers have no width
            num_attention_heads=4,
            num_key_value_heads=2,
            joint_attention_dim=WIDTH,
            axes_dims_rope=(8, 12, 12),
            num_experts=4,
            moe_intermediate_dim=WIDTH,
            capacity_factors=2.0,
        ),
    )


def z_image_omni() -> ZImageOmniPipeline:
    """Z-Image-Omni: it sees pictures with SigLIP 2."""
    return ZImageOmniPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=6.0),
        vae=flux_vae(),
        text_encoder=Qwen3Model(qwen3()),
        tokenizer=qwen_tokenizer(),
        transformer=ZImageTransformer2DModel(
            in_channels=16,
            dim=WIDTH,
            n_layers=1,
            n_refiner_layers=1,
            n_heads=2,
            n_kv_heads=2,
            cap_feat_dim=WIDTH,
            siglip_feat_dim=SIGLIP,
            axes_dims=[8, 4, 4],
            axes_lens=[1536, 512, 512],
        ),
        siglip=Siglip2VisionModel(
            Siglip2VisionConfig(
                hidden_size=SIGLIP,
                intermediate_size=SIGLIP,
                num_hidden_layers=1,
                num_attention_heads=2,
                num_patches=64,
                patch_size=16,
            )
        ),
        siglip_processor=Siglip2ImageProcessor(patch_size=16, max_num_patches=64),
    )


def fibo2() -> BriaFibo2Pipeline:
    """Bria Fibo 2: it reads many layers."""
    layers = max(max(each) for each in TEXT_ENCODER_OUT_LAYERS)
    return BriaFibo2Pipeline(
        transformer=BriaFibo2Transformer2DModel(
            in_channels=4,
            dim=WIDTH,
            n_layers=2,
            n_refiner_layers=1,
            n_heads=2,
            cap_feat_dim=3 * WIDTH,
            injection_layer_ids=(0, 1, 0, 1, 0),
            perceiver_num_layers=1,
            min_num_gist_tokens=8,
            max_num_gist_tokens=16,
            gist_step=8,
            axes_dims=(8, 4, 4),
        ),
        scheduler=shifting(),
        vae=flux2_vae(),
        text_encoder=qwen3_sees(layers + 1),
        processor=processor(),
    )


def dreamlite(kind: Any = DreamLitePipeline) -> Any:
    """DreamLite: a UNet small enough for a telephone; it draws beside the picture that it sees."""
    return kind(
        text_encoder=qwen3_sees(),
        tokenizer=qwen_tokenizer(),
        processor=processor(),
        vae=AutoencoderTiny(
            encoder_block_out_channels=(8,) * 4,
            decoder_block_out_channels=(8,) * 4,
            num_encoder_blocks=(1,) * 4,
            num_decoder_blocks=(1,) * 4,
        ),
        unet=DreamLiteUNetModel(
            sample_size=16,
            block_out_channels=(16, 16, 32),
            layers_per_block=1,
            norm_num_groups=4,
            cross_attention_dim=WIDTH,
            attention_head_dim=16,
            ff_mult=2,
        ),
        scheduler=shifting(),
    )


SEEN = ("image",)

MODELS = {
    "qwen-image-edit": Tiny(qwen_edit, pictures=SEEN),
    "qwen-image-edit-plus": Tiny(partial(qwen_edit, QwenImageEditPlusPipeline), pictures=SEEN),
    "qwen-image-21": Tiny(qwen21),
    "longcat-image": Tiny(longcat, call={"enable_prompt_rewrite": False}),
    # It brings any picture to this area.
    "longcat-image-edit": Tiny(
        partial(longcat, LongCatImageEditPipeline), 1264, 848, pictures=SEEN, sized=False
    ),
    "nucleusmoe": Tiny(nucleus),
    "z-image-omni": Tiny(z_image_omni),
    "bria-fibo2": Tiny(fibo2),
    "dreamlite": Tiny(dreamlite),
    "dreamlite-mobile": Tiny(partial(dreamlite, DreamLiteMobilePipeline)),
}
