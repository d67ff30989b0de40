"""Models of two stages, and those that draw in another way than most."""

from __future__ import annotations

from diffusers import (
    AmusedPipeline,
    AmusedScheduler,
    DDIMScheduler,
    DDPMScheduler,
    IFPipeline,
    Kandinsky3Pipeline,
    Kandinsky3UNet,
    KandinskyV22CombinedPipeline,
    LDMTextToImagePipeline,
    PriorTransformer,
    UnCLIPScheduler,
    UNet2DConditionModel,
    UVit2DModel,
    VQModel,
)
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from tests.tiny.parts import VOCABULARY, WIDTH, Tiny, clip, t5, vae
from tests.tiny.stable_diffusion import BETAS, unet
from tests.tiny.tokenizers import clip_tokenizer, t5_tokenizer


def movq() -> VQModel:
    """Kandinsky's autoencoder, of a book of codes."""
    return VQModel(
        block_out_channels=[32, 32, 32, 32],
        down_block_types=["DownEncoderBlock2D"] * 3 + ["AttnDownEncoderBlock2D"],
        up_block_types=["AttnUpDecoderBlock2D"] + ["UpDecoderBlock2D"] * 3,
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=8,
        norm_type="spatial",
        num_vq_embeddings=12,
        vq_embed_dim=4,
    )


def kandinsky22() -> KandinskyV22CombinedPipeline:
    """Kandinsky 2.2: the prior makes an embedding of a picture, the decoder the picture."""
    return KandinskyV22CombinedPipeline(
        unet=UNet2DConditionModel(
            sample_size=16,
            in_channels=4,
            out_channels=8,
            addition_embed_type="image",
            down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
            up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
            mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            block_out_channels=(16, 32),
            layers_per_block=1,
            norm_num_groups=4,
            encoder_hid_dim=WIDTH,
            encoder_hid_dim_type="image_proj",
            cross_attention_dim=WIDTH,
            attention_head_dim=4,
            resnet_time_scale_shift="scale_shift",
        ),
        scheduler=DDPMScheduler(
            beta_schedule="linear",
            beta_start=0.00085,
            beta_end=0.012,
            clip_sample=False,
            variance_type="learned_range",
        ),
        movq=movq(),
        prior_prior=PriorTransformer(
            num_attention_heads=2,
            attention_head_dim=12,
            embedding_dim=WIDTH,
            num_layers=1,
        ),
        prior_image_encoder=CLIPVisionModelWithProjection(
            CLIPVisionConfig(
                hidden_size=WIDTH,
                image_size=32,
                projection_dim=WIDTH,
                intermediate_size=WIDTH,
                num_attention_heads=2,
                num_hidden_layers=1,
                patch_size=8,
            )
        ),
        prior_text_encoder=clip(projection=True),
        prior_tokenizer=clip_tokenizer(),
        prior_scheduler=UnCLIPScheduler(
            variance_type="fixed_small_log",
            prediction_type="sample",
            clip_sample=True,
            clip_sample_range=5.0,
        ),
        prior_image_processor=CLIPImageProcessor(size=32, crop_size=32),
    )


def kandinsky3() -> Kandinsky3Pipeline:
    """Kandinsky 3."""
    return Kandinsky3Pipeline(
        tokenizer=t5_tokenizer(128),
        text_encoder=t5(),
        unet=Kandinsky3UNet(
            in_channels=4,
            time_embedding_dim=16,
            groups=4,
            attention_head_dim=8,
            layers_per_block=2,
            block_out_channels=(32, 32, 32, 32),
            cross_attention_dim=16,
            encoder_hid_dim=WIDTH,
        ),
        scheduler=DDPMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="squaredcos_cap_v2",
            clip_sample=True,
        ),
        movq=movq(),
    )


def deep_floyd() -> IFPipeline:
    """The first stage of DeepFloyd IF: it draws pixels, not latents."""
    return IFPipeline(
        tokenizer=t5_tokenizer(77),
        text_encoder=t5(),
        unet=UNet2DConditionModel(
            sample_size=64,
            layers_per_block=1,
            block_out_channels=[16, 32],
            norm_num_groups=4,
            down_block_types=["ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"],
            mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            up_block_types=["SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"],
            in_channels=3,
            out_channels=6,
            cross_attention_dim=WIDTH,
            encoder_hid_dim=WIDTH,
            attention_head_dim=8,
            addition_embed_type="text",
            addition_embed_type_num_heads=2,
            cross_attention_norm="group_norm",
            resnet_time_scale_shift="scale_shift",
            act_fn="gelu",
        ),
        scheduler=DDPMScheduler(
            beta_schedule="squaredcos_cap_v2",
            thresholding=True,
            dynamic_thresholding_ratio=0.95,
            sample_max_value=1.5,
            variance_type="learned_range",
        ),
        safety_checker=None,
        feature_extractor=None,
        watermarker=None,
        requires_safety_checker=False,
    )


def amused() -> AmusedPipeline:
    """aMUSEd: it guesses tokens of the picture that are masked."""
    return AmusedPipeline(
        vqvae=VQModel(
            act_fn="silu",
            block_out_channels=[8] * 5,
            down_block_types=["DownEncoderBlock2D"] * 5,
            up_block_types=["UpDecoderBlock2D"] * 5,
            in_channels=3,
            out_channels=3,
            latent_channels=WIDTH,
            layers_per_block=1,
            norm_num_groups=4,
            num_vq_embeddings=64,
            mid_block_add_attention=False,
            lookup_from_codebook=True,
        ),
        tokenizer=clip_tokenizer(),
        text_encoder=clip(projection=True),
        transformer=UVit2DModel(
            hidden_size=WIDTH,
            use_bias=False,
            hidden_dropout=0.0,
            cond_embed_dim=WIDTH,
            micro_cond_encode_dim=16,
            micro_cond_embed_dim=80,
            encoder_hidden_size=WIDTH,
            vocab_size=80,
            codebook_size=64,
            in_channels=WIDTH,
            block_out_channels=WIDTH,
            num_res_blocks=1,
            downsample=True,
            upsample=True,
            block_num_heads=2,
            num_hidden_layers=1,
            num_attention_heads=2,
            attention_dropout=0.0,
            intermediate_size=WIDTH,
            layer_norm_eps=1e-6,
            ln_elementwise_affine=True,
            sample_size=16,
        ),
        scheduler=AmusedScheduler(mask_token_id=79),
    )


def latent_diffusion() -> LDMTextToImagePipeline:
    """Latent diffusion, Stable Diffusion's mother."""
    from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import (
        LDMBertConfig,
        LDMBertModel,
    )

    bert = LDMBertConfig(
        vocab_size=VOCABULARY,
        encoder_layers=1,
        encoder_ffn_dim=WIDTH,
        encoder_attention_heads=2,
        head_dim=16,
        d_model=WIDTH,
    )
    return LDMTextToImagePipeline(
        vqvae=vae(4),
        bert=LDMBertModel(bert),
        tokenizer=clip_tokenizer(),
        unet=unet(),
        scheduler=DDIMScheduler(**BETAS, clip_sample=False, steps_offset=1),
    )


TWICE = ("prior_num_inference_steps", "num_inference_steps")

MODELS = {
    "kandinsky22": Tiny(kandinsky22, width=192, height=128, steps=TWICE),
    "kandinsky3": Tiny(kandinsky3, width=128),
    "deepfloyd-if": Tiny(deep_floyd),
    "amused": Tiny(amused),
    "ldm": Tiny(latent_diffusion),
}
