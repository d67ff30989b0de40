"""DeepFloyd IF, its first stage: 64 x 64 pixels without an autoencoder."""

from __future__ import annotations

from underpaint.engines.families.family import Checkpoint, Family, Layout, Manner


def _native(checkpoint: Checkpoint) -> tuple[int, int]:
    side = int(checkpoint.config("unet").get("sample_size") or 64)
    return side, side


FAMILY = Family(
    name="if",
    title="DeepFloyd IF",
    index=frozenset({"IFPipeline", "IFImg2ImgPipeline"}),
    denoiser="unet",
    text_to_image="IFPipeline",
    image_to_image="IFImg2ImgPipeline",
    native=_native,
    multiple=8,
    # https://huggingface.co/DeepFloyd/IF-I-XL-v1.0: 100 steps, guidance 7.0
    manner=Manner(num_inference_steps=100, guidance_scale=7.0, why="as DeepFloyd IF"),
    layout=Layout.PIXELS,
    loras=True,
)
