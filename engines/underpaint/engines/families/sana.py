"""Sana and Sana-Sprint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from underpaint.engines.families.family import Family, Manner, Start
from underpaint.engines.families.sizes import by_sample_size


def _sprint_steps(steps: int, _width: int, _height: int) -> Mapping[str, Any]:
    """The timestep between the two steps that its makers recommend fits no other number."""
    return {} if steps == 2 else {"intermediate_timesteps": None}


FAMILY = Family(
    name="sana",
    title="Sana",
    index=frozenset({"SanaPipeline", "SanaPAGPipeline", "SanaControlNetPipeline"}),
    text_to_image="SanaPipeline",
    start=Start.NOISED,
    control={"text": "SanaControlNetPipeline"},
    control_model="SanaControlNetModel",
    native=by_sample_size,
    multiple=32,
    # https://huggingface.co/Efficient-Large-Model/SANA1.5_1.6B_1024px_diffusers: 20 steps,
    # guidance 4.5
    manner=Manner(num_inference_steps=20, guidance_scale=4.5, why="as Sana"),
    loras=True,
)

SPRINT = Family(
    name="sana-sprint",
    title="Sana-Sprint",
    index=frozenset({"SanaSprintPipeline", "SanaSprintImg2ImgPipeline"}),
    text_to_image="SanaSprintPipeline",
    image_to_image="SanaSprintImg2ImgPipeline",
    call_for=_sprint_steps,
    native=by_sample_size,
    multiple=32,
    # https://huggingface.co/Efficient-Large-Model/Sana_Sprint_1.6B_1024px_diffusers: 2 steps;
    # the transformer takes the guidance
    manner=Manner(num_inference_steps=2, guidance_scale=4.5, why="as Sana-Sprint"),
    negative=lambda guidance: False,
    loras=True,
)
