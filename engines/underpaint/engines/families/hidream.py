"""HiDream-I1: full, dev and fast."""

from __future__ import annotations

from underpaint.engines.families.family import Checkpoint, Family, Manner, Start, Variant


def _is_dev(checkpoint: Checkpoint) -> bool:
    return checkpoint.scheduler == "FlowMatchLCMScheduler"


FAMILY = Family(
    name="hidream",
    title="HiDream-I1",
    index=frozenset({"HiDreamImagePipeline"}),
    text_to_image="HiDreamImagePipeline",
    start=Start.NOISED,
    cells=128,  # whatever the size that it is asked for, diffusers scales it to this area
    # inference.py of HiDream-ai/HiDream-I1, read in a copy: 50 steps, guidance 5.0
    manner=Manner(num_inference_steps=50, guidance_scale=5.0, why="as HiDream-I1 Full"),
    variants=(
        # The same program: 28 steps, guidance 0; Fast: 16 steps
        Variant(
            is_one=_is_dev,
            manner=Manner(
                num_inference_steps=28,
                guidance_scale=0.0,
                why="as HiDream-I1 Dev: its scheduler is FlowMatchLCMScheduler",
            ),
        ),
    ),
    loras=True,
)
