"""Kolors."""

from __future__ import annotations

from underpaint.engines.families.family import Family, Manner
from underpaint.engines.families.sizes import by_sample_size

FAMILY = Family(
    name="kolors",
    title="Kolors",
    index=frozenset({"KolorsPipeline", "KolorsImg2ImgPipeline", "KolorsPAGPipeline"}),
    denoiser="unet",
    text_to_image="KolorsPipeline",
    image_to_image="KolorsImg2ImgPipeline",
    native=by_sample_size,
    # The figures of its class, for the scheduler that it ships
    manner=Manner(num_inference_steps=50, guidance_scale=5.0, why="as Kolors"),
    loras=True,
)
