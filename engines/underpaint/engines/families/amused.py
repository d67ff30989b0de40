"""aMUSEd: fills in tokens instead of removing noise."""

from __future__ import annotations

from underpaint.engines.families.family import Checkpoint, Family, Layout, Manner
from underpaint.engines.families.sizes import vae_scale


def _native(checkpoint: Checkpoint) -> tuple[int, int]:
    side = int(checkpoint.config("transformer").get("sample_size") or 32)
    scale = vae_scale(checkpoint, "vqvae")
    return side * scale, side * scale


FAMILY = Family(
    name="amused",
    title="aMUSEd",
    index=frozenset({"AmusedPipeline", "AmusedImg2ImgPipeline", "AmusedInpaintPipeline"}),
    text_to_image="AmusedPipeline",
    image_to_image="AmusedImg2ImgPipeline",
    counts_itself=True,
    autoencoder="vqvae",
    native=_native,
    # https://huggingface.co/amused/amused-512: 12 steps, guidance 10
    manner=Manner(num_inference_steps=12, guidance_scale=10.0, why="as aMUSEd"),
    layout=Layout.OTHER,
)
