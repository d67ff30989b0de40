"""Those that read with one of Qwen's language models."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import Any

from diffusers import (
    AdaptiveProjectedMixGuidance,
    AutoencoderKLHunyuanImage,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    HunyuanImagePipeline,
    HunyuanImageTransformer2DModel,
    OvisImagePipeline,
    OvisImageTransformer2DModel,
    QwenImageEditPipeline,
    QwenImageEditPlusPipeline,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from transformers import ByT5Tokenizer, Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen3Model

from tests.tiny.flux import shifting
from tests.tiny.parts import WIDTH, Tiny, flux_vae, qwen3, qwen_vae, qwen_vl, t5
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


def qwen_image(kind: Any = QwenImagePipeline, *, edits: bool = False) -> DiffusionPipeline:
    """Qwen-Image, or one of those that edit a picture; they see it, too."""
    parts: dict[str, Any] = {}
    if edits:
        parts["processor"] = Qwen2VLProcessor(
            image_processor=Qwen2VLImageProcessor(min_pixels=28 * 28, max_pixels=112 * 112),
            tokenizer=qwen_tokenizer(),
            video_processor=_videos(),
        )
    return kind(
        scheduler=shifting(shift=1.0, base_shift=0.5, max_shift=0.9, shift_terminal=0.02),
        vae=qwen_vae(),
        text_encoder=qwen_vl(),
        tokenizer=qwen_tokenizer(),
        transformer=qwen_transformer(),
        **parts,
    )


def _videos() -> Any:
    from transformers import Qwen2VLVideoProcessor  # which needs torchvision

    return Qwen2VLVideoProcessor()


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


MODELS = {
    "z-image": Tiny(partial(z_image, turbo=False)),
    "z-image-turbo": Tiny(z_image),
    "qwen-image": Tiny(qwen_image),
    "hunyuan-image": Tiny(hunyuan_image),
    "hunyuan-image-distilled": Tiny(partial(hunyuan_image, distilled=True)),
    "ovis-image": Tiny(ovis),
}

if find_spec("torchvision"):
    MODELS["qwen-image-edit"] = Tiny(
        partial(qwen_image, QwenImageEditPipeline, edits=True), pictures=("image",)
    )
    MODELS["qwen-image-edit-plus"] = Tiny(
        partial(qwen_image, QwenImageEditPlusPipeline, edits=True), pictures=("image",)
    )
