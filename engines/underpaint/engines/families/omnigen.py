"""OmniGen."""

from __future__ import annotations

from underpaint.engines.families.family import Family, Manner, Start

FAMILY = Family(
    name="omnigen",
    title="OmniGen",
    index=frozenset({"OmniGenPipeline"}),
    text_to_image="OmniGenPipeline",
    start=Start.REFERENCE,
    picture="input_images",
    pictures=True,
    told_of_picture="<img><|image_{n}|></img>",
    references=2,
    # https://huggingface.co/Shitao/OmniGen-v1-diffusers: guidance 2.5, that of pictures 1.6
    manner=Manner(
        num_inference_steps=50,
        guidance_scale=2.5,
        why="as OmniGen v1",
        call={"img_guidance_scale": 1.6},
    ),
    negative=lambda guidance: False,
)
