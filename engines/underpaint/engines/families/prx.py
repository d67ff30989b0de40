"""PRX, and PRX that draws pixels."""

from __future__ import annotations

from underpaint.engines.families.family import Checkpoint, Family, Layout, Manner, Start


def _native(checkpoint: Checkpoint) -> tuple[int, int]:
    side = int(checkpoint.index.get("default_sample_size") or 512)
    return side, side


FAMILY = Family(
    name="prx",
    title="PRX",
    index=frozenset({"PRXPipeline"}),
    text_to_image="PRXPipeline",
    start=Start.NOISED,
    native=_native,
    multiple=32,
    # diffusers' guide to PRX, which Photoroom wrote: 28 steps, guidance 5.0
    manner=Manner(num_inference_steps=28, guidance_scale=5.0, why="as PRX"),
)

PIXEL = Family(
    name="prx-pixel",
    title="PRX Pixel",
    index=frozenset({"PRXPixelPipeline"}),
    text_to_image="PRXPixelPipeline",
    start=Start.NEVER,
    native=(1024, 1024),
    multiple=32,
    # The example in diffusers' pipeline
    manner=Manner(num_inference_steps=28, guidance_scale=5.0, why="as PRX Pixel"),
    layout=Layout.PIXELS,
)
