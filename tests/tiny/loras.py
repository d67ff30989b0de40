"""Tiny LoRAs of random weights for the tiny checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

LAYERS = ("to_q", "to_k", "to_v", "to_out.0")


def write_lora(pipeline: Any, file: Path, *, denoiser: str = "unet", seed: int = 0) -> Path:
    """Writes a LoRA for a pipeline, strong enough to change each picture."""
    module = getattr(pipeline, denoiser)
    module.add_adapter(LoraConfig(r=2, target_modules=list(LAYERS), init_lora_weights=False))
    weights = convert_state_dict_to_diffusers(get_peft_model_state_dict(module))
    generator = torch.Generator().manual_seed(seed)
    weights = {name: torch.randn(each.shape, generator=generator) for name, each in weights.items()}
    pipeline.save_lora_weights(
        file.parent, **{f"{denoiser}_lora_layers": weights}, weight_name=file.name
    )
    return file
