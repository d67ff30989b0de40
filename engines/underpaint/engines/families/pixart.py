"""PixArt alpha and sigma."""

from __future__ import annotations

from typing import Final

from underpaint.engines.families.family import Family, Manner, Start, Variant
from underpaint.engines.families.sd import is_lcm
from underpaint.engines.families.sizes import by_sample_size

# https://huggingface.co/PixArt-alpha/PixArt-LCM-XL-2-1024-MS: 4 steps, guidance 0
_LCM: Final = Variant(
    is_one=is_lcm,
    manner=Manner(
        num_inference_steps=4,
        guidance_scale=0.0,
        why="as PixArt-LCM: its scheduler is LCMScheduler",
    ),
)

ALPHA = Family(
    name="pixart-alpha",
    title="PixArt alpha",
    index=frozenset({"PixArtAlphaPipeline"}),
    text_to_image="PixArtAlphaPipeline",
    start=Start.NOISED,
    native=by_sample_size,
    # The figures of its class, which its makers wrote
    manner=Manner(num_inference_steps=20, guidance_scale=4.5, why="as PixArt alpha"),
    variants=(_LCM,),
)

SIGMA = Family(
    name="pixart-sigma",
    title="PixArt sigma",
    index=frozenset({"PixArtSigmaPipeline", "PixArtSigmaPAGPipeline"}),
    text_to_image="PixArtSigmaPipeline",
    start=Start.NOISED,
    native=by_sample_size,
    # The same
    manner=Manner(num_inference_steps=20, guidance_scale=4.5, why="as PixArt sigma"),
    variants=(_LCM,),
)
