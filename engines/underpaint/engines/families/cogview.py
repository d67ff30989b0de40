"""CogView3-Plus and CogView4."""

from __future__ import annotations

from underpaint.engines.families.family import Family, Manner, Start
from underpaint.engines.families.sizes import by_sample_size

V3 = Family(
    name="cogview3",
    title="CogView3-Plus",
    index=frozenset({"CogView3PlusPipeline"}),
    text_to_image="CogView3PlusPipeline",
    start=Start.NOISED,
    native=by_sample_size,
    multiple=32,
    # https://huggingface.co/THUDM/CogView3-Plus-3B: 50 steps, guidance 7.0
    manner=Manner(num_inference_steps=50, guidance_scale=7.0, why="as CogView3-Plus"),
)

V4 = Family(
    name="cogview4",
    title="CogView4",
    index=frozenset({"CogView4Pipeline"}),
    text_to_image="CogView4Pipeline",
    start=Start.NOISED,
    native=by_sample_size,
    multiple=32,
    # https://huggingface.co/THUDM/CogView4-6B: 50 steps, guidance 3.5
    manner=Manner(num_inference_steps=50, guidance_scale=3.5, why="as CogView4"),
    loras=True,
)
