"""FLUX.2: dev, and Klein."""

from __future__ import annotations

from typing import Final

from underpaint.engines.families.family import (
    Checkpoint,
    Family,
    Layout,
    Manner,
    Start,
    Variant,
)


def _is_distilled(checkpoint: Checkpoint) -> bool:
    return bool(checkpoint.index.get("is_distilled"))


# https://huggingface.co/black-forest-labs/FLUX.2-klein-4B: 4 steps, guidance 1.0
_FOUR_STEPS: Final = Manner(
    num_inference_steps=4,
    guidance_scale=1.0,
    why="as FLUX.2 Klein: its index says that it is distilled",
    guided=False,
)

FAMILY = Family(
    name="flux2",
    title="FLUX.2",
    index=frozenset({"Flux2Pipeline"}),
    text_to_image="Flux2Pipeline",
    start=Start.REFERENCE,
    pictures=True,
    references=3,
    # https://huggingface.co/black-forest-labs/FLUX.2-dev: 50 steps (28 can be a good trade-off),
    # guidance 4
    manner=Manner(num_inference_steps=50, guidance_scale=4.0, why="as FLUX.2 dev"),
    negative=lambda guidance: False,
    layout=Layout.PATCHED,
    loras=True,
)

KLEIN = Family(
    name="flux2-klein",
    title="FLUX.2 Klein",
    index=frozenset({"Flux2KleinPipeline", "Flux2KleinInpaintPipeline"}),
    text_to_image="Flux2KleinPipeline",
    start=Start.REFERENCE,
    pictures=True,
    references=3,
    inpaint="Flux2KleinInpaintPipeline",
    # https://huggingface.co/black-forest-labs/FLUX.2-klein-base-4B: 50 steps, guidance 4.0
    manner=Manner(num_inference_steps=50, guidance_scale=4.0, why="as FLUX.2 Klein base"),
    variants=(Variant(is_one=_is_distilled, manner=_FOUR_STEPS),),
    negative=lambda guidance: False,
    layout=Layout.PATCHED,
    loras=True,
)

KLEIN_KV = Family(
    name="flux2-klein-kv",
    title="FLUX.2 Klein KV",
    index=frozenset({"Flux2KleinKVPipeline"}),
    text_to_image="Flux2KleinKVPipeline",
    start=Start.REFERENCE,
    pictures=True,
    references=3,
    manner=_FOUR_STEPS,
    guidance=None,
    negative=lambda guidance: False,
    layout=Layout.PATCHED,
    loras=True,
)
