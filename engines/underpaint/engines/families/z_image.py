"""Z-Image: turbo, base and omni."""

from __future__ import annotations

from typing import Final

from underpaint.engines.families.family import Checkpoint, Family, Manner, Start, Variant

# https://huggingface.co/Tongyi-MAI/Z-Image: 28 to 50 steps, guidance 3 to 5
_BASE: Final = Manner(num_inference_steps=50, guidance_scale=4.0, why="as Z-Image")
# https://huggingface.co/Tongyi-MAI/Z-Image-Turbo: 8 calls of the transformer, guidance 0
_TURBO: Final = Manner(
    num_inference_steps=8,
    guidance_scale=0.0,
    why="as Z-Image-Turbo: its scheduler shifts by 3; Z-Image's by 6",
)


def _is_turbo(checkpoint: Checkpoint) -> bool:
    return checkpoint.config("scheduler").get("shift") == 3.0


FAMILY = Family(
    name="z-image",
    title="Z-Image",
    index=frozenset({"ZImagePipeline", "ZImageImg2ImgPipeline", "ZImageInpaintPipeline"}),
    text_to_image="ZImagePipeline",
    image_to_image="ZImageImg2ImgPipeline",
    inpaint="ZImageInpaintPipeline",
    control={"text": "ZImageControlNetPipeline", "mask": "ZImageControlNetInpaintPipeline"},
    control_model="ZImageControlNetModel",
    manner=_BASE,
    variants=(Variant(is_one=_is_turbo, manner=_TURBO),),
    negative=lambda guidance: guidance > 0,  # it adds the guidance to 1
    loras=True,
)

OMNI = Family(
    name="z-image-omni",
    title="Z-Image-Omni",
    index=frozenset({"ZImageOmniPipeline"}),
    text_to_image="ZImageOmniPipeline",
    start=Start.REFERENCE,
    pictures=True,
    references=3,
    manner=_BASE,
    negative=lambda guidance: guidance > 0,
    loras=True,
)
