"""Well-known models of the flow families: FLUX, SD3.5, Qwen-Image, Z-Image, Sana, and more.

The source of each row stands above it.
"""

from __future__ import annotations

import math
from typing import Final

from underpaint.engines.well_known.row import STEPS, Known

# https://huggingface.co/lightx2v/Qwen-Image-Lightning: the scheduler that its example makes
_QWEN_LIGHTNING: Final = {
    "base_shift": math.log(3),
    "max_shift": math.log(3),
    "shift": 1.0,
    "shift_terminal": None,
    "use_dynamic_shifting": True,
    "time_shift_type": "exponential",
}

FLOW_MODELS: Final[tuple[Known, ...]] = (
    # https://huggingface.co/black-forest-labs/FLUX.1-schnell
    Known(
        title="FLUX.1 schnell",
        ids=("black-forest-labs/FLUX.1-schnell",),
        words=r"\bflux ?1? schnell\b",
        steps=4,
        guidance=0.0,
        call={"max_sequence_length": 256},
    ),
    # https://huggingface.co/black-forest-labs/FLUX.1-Krea-dev
    Known(
        title="FLUX.1 Krea",
        ids=("black-forest-labs/FLUX.1-Krea-dev",),
        words=r"\bflux ?1? krea\b",
        steps=28,
        guidance=4.5,
    ),
    # https://huggingface.co/black-forest-labs/FLUX.1-Kontext-dev
    Known(
        title="FLUX.1 Kontext",
        ids=("black-forest-labs/FLUX.1-Kontext-dev",),
        words=r"\bflux ?1? kontext\b",
        steps=28,
        guidance=2.5,
    ),
    # https://huggingface.co/black-forest-labs/FLUX.1-Fill-dev
    Known(
        title="FLUX.1 Fill",
        ids=("black-forest-labs/FLUX.1-Fill-dev",),
        words=r"\bflux ?1? fill\b",
        steps=50,
        guidance=30.0,
    ),
    # https://huggingface.co/alimama-creative/FLUX.1-Turbo-Alpha
    Known(
        title="FLUX.1 Turbo Alpha",
        ids=("alimama-creative/FLUX.1-Turbo-Alpha",),
        words=r"\bflux ?1? turbo alpha\b",
        steps=8,
        guidance=3.5,
        lora=True,
    ),
    # https://huggingface.co/shuttleai/shuttle-3-diffusion
    Known(
        title="Shuttle 3",
        ids=("shuttleai/shuttle-3-diffusion",),
        words=r"\bshuttle 3 diffusion\b",
        steps=4,
        guidance=3.5,
        call={"max_sequence_length": 256},
    ),
    # https://huggingface.co/black-forest-labs/FLUX.1-dev
    Known(
        title="FLUX.1 dev",
        ids=("black-forest-labs/FLUX.1-dev",),
        steps=50,
        guidance=3.5,
    ),
    # https://huggingface.co/black-forest-labs/FLUX.2-klein-base-4B: the one that is not distilled
    Known(
        title="FLUX.2 Klein Base",
        ids=("black-forest-labs/FLUX.2-klein-base-4B", "black-forest-labs/FLUX.2-klein-base-9B"),
        words=r"\bflux ?2 klein base\b",
        steps=50,
        guidance=4.0,
    ),
    # https://huggingface.co/black-forest-labs/FLUX.2-klein-4B
    Known(
        title="FLUX.2 Klein",
        ids=("black-forest-labs/FLUX.2-klein-4B", "black-forest-labs/FLUX.2-klein-9B"),
        words=r"\bflux ?2 klein\b",
        steps=4,
        guidance=1.0,
    ),
    # https://huggingface.co/black-forest-labs/FLUX.2-dev: 50 steps, "28 can be a good trade-off"
    Known(
        title="FLUX.2 dev",
        ids=("black-forest-labs/FLUX.2-dev",),
        words=r"\bflux ?2 dev\b",
        steps=50,
        guidance=4.0,
    ),
    # https://huggingface.co/stabilityai/stable-diffusion-3.5-large-turbo
    Known(
        title="Stable Diffusion 3.5 Large Turbo",
        ids=("stabilityai/stable-diffusion-3.5-large-turbo",),
        words=r"\b(stable diffusion |sd ?)3 ?5 large turbo\b",
        steps=4,
        guidance=0.0,
    ),
    # https://huggingface.co/stabilityai/stable-diffusion-3.5-large
    Known(
        title="Stable Diffusion 3.5 Large",
        ids=("stabilityai/stable-diffusion-3.5-large",),
        steps=28,
        guidance=3.5,
    ),
    # https://huggingface.co/stabilityai/stable-diffusion-3.5-medium
    Known(
        title="Stable Diffusion 3.5 Medium",
        ids=("stabilityai/stable-diffusion-3.5-medium",),
        steps=40,
        guidance=4.5,
    ),
    # https://huggingface.co/stabilityai/stable-diffusion-3-medium-diffusers
    Known(
        title="Stable Diffusion 3 Medium",
        ids=("stabilityai/stable-diffusion-3-medium-diffusers",),
        steps=28,
        guidance=7.0,
    ),
    # https://huggingface.co/Tongyi-MAI/Z-Image-Turbo: 8 calls of the transformer
    Known(
        title="Z-Image-Turbo",
        ids=("Tongyi-MAI/Z-Image-Turbo",),
        words=r"\bz ?image turbo\b",
        steps=8,
        guidance=0.0,
    ),
    # https://huggingface.co/lightx2v/Qwen-Image-Lightning: for 4 and 8 steps, also merged
    Known(
        title="Qwen-Image-Lightning",
        words=rf"\bqwen image\b.*\blightning\b.*?{STEPS}",
        guidance=1.0,
        scheduler=_QWEN_LIGHTNING,
        lora=True,
    ),
    Known(
        title="Qwen-Image-Lightning",
        words=r"\bqwen image\b.*\blightning\b",
        steps=8,
        guidance=1.0,
        scheduler=_QWEN_LIGHTNING,
        lora=True,
    ),
    # https://huggingface.co/Qwen/Qwen-Image-Edit-2509
    Known(
        title="Qwen-Image-Edit",
        ids=("Qwen/Qwen-Image-Edit-2509", "Qwen/Qwen-Image-Edit-2511"),
        steps=40,
        guidance=4.0,
    ),
    # https://huggingface.co/Qwen/Qwen-Image-Edit
    Known(
        title="Qwen-Image-Edit",
        ids=("Qwen/Qwen-Image-Edit",),
        steps=50,
        guidance=4.0,
    ),
    # https://huggingface.co/Qwen/Qwen-Image, Qwen-Image-2512
    Known(
        title="Qwen-Image",
        ids=("Qwen/Qwen-Image", "Qwen/Qwen-Image-2512"),
        steps=50,
        guidance=4.0,
    ),
    # diffusers' guide to Sana-Sprint, which starts from a picture at 0.5
    Known(
        title="Sana-Sprint",
        ids=(
            "Efficient-Large-Model/Sana_Sprint_1.6B_1024px_diffusers",
            "Efficient-Large-Model/Sana_Sprint_0.6B_1024px_diffusers",
        ),
        words=r"\bsana ?sprint\b",
        steps=2,
        guidance=4.5,
        strength=0.5,
    ),
    # diffusers' guide to Chroma
    Known(
        title="Chroma1-HD",
        ids=("lodestones/Chroma1-HD",),
        steps=40,
        guidance=3.0,
    ),
    # https://huggingface.co/Alpha-VLLM/Lumina-Image-2.0
    Known(
        title="Lumina-Image 2.0",
        ids=("Alpha-VLLM/Lumina-Image-2.0",),
        steps=50,
        guidance=4.0,
        call={"cfg_trunc_ratio": 0.25, "cfg_normalization": True},
    ),
    # inference.py of HiDream-ai/HiDream-I1, read in a copy
    Known(
        title="HiDream-I1 Fast",
        ids=("HiDream-ai/HiDream-I1-Fast",),
        words=r"\bhi ?dream i1 fast\b",
        steps=16,
        guidance=0.0,
    ),
    Known(
        title="HiDream-I1 Dev",
        ids=("HiDream-ai/HiDream-I1-Dev",),
        words=r"\bhi ?dream i1 dev\b",
        steps=28,
        guidance=0.0,
    ),
    # diffusers' guide to ERNIE-Image. The prompt is drawn as it is, not as the model rewrites it.
    Known(
        title="ERNIE-Image-Turbo",
        ids=("baidu/ERNIE-Image-Turbo",),
        words=r"\bernie image turbo\b",
        steps=8,
        guidance=1.0,
    ),
    # diffusers' guide to PRX
    Known(
        title="PRX distilled",
        ids=(
            "Photoroom/prx-512-t2i-sft-distilled",
            "Photoroom/prx-512-t2i-dc-ae-sft-distilled",
        ),
        words=r"\bprx\b.*\bdistilled\b",
        steps=8,
        guidance=1.0,
    ),
    # diffusers' guide to Fibo 2, and its pipeline of Fibo Edit
    Known(
        title="Fibo Turbo",
        ids=("briaai/fibo-2-turbo-merge", "briaai/Fibo-Edit-1.5-turbo"),
        words=r"\bfibo\b.*\bturbo\b",
        steps=4,
        guidance=1.0,
    ),
)
