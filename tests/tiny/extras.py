"""What is given beside a checkpoint: ControlNets, LoRAs, learned words, small autoencoders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderTiny,
    ControlNetModel,
    ControlNetUnionModel,
    FluxControlNetModel,
    HunyuanDiT2DControlNetModel,
    QwenImageControlNetModel,
    SanaControlNetModel,
    SD3ControlNetModel,
    UNet2DConditionModel,
    ZImageControlNetModel,
)
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

from tests.tiny.flux import flux_transformer
from tests.tiny.parts import WIDTH, Tiny, lively
from tests.tiny.qwen import qwen_transformer
from tests.tiny.readers import hunyuan_dit, sana
from tests.tiny.stable_diffusion import sd3_transformer, unet, xl_unet

ATTENTION = ["to_q", "to_k", "to_v", "to_out.0", "to_query", "to_key", "to_value"]


def _of_unet(kind: Any, of: UNet2DConditionModel, **more: Any) -> Any:
    return kind.from_config(of.config, conditioning_embedding_out_channels=(16,) * 4, **more)


def _union() -> ControlNetUnionModel:
    few = {"num_trans_channel": 16, "num_trans_head": 2, "num_proj_channel": 16}
    return _of_unet(ControlNetUnionModel, xl_unet(), **few)


def _flux() -> FluxControlNetModel:
    return FluxControlNetModel.from_transformer(
        flux_transformer(), attention_head_dim=16, num_attention_heads=2
    )


def _qwen() -> QwenImageControlNetModel:
    return QwenImageControlNetModel.from_transformer(
        qwen_transformer(), num_layers=1, attention_head_dim=16, num_attention_heads=2
    )


def _z_image() -> ZImageControlNetModel:
    return ZImageControlNetModel(
        control_layers_places=[0],
        control_refiner_layers_places=[0],
        control_in_dim=16,
        add_control_noise_refiner=None,
        dim=WIDTH,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
    )


def _sana() -> SanaControlNetModel:
    return SanaControlNetModel.from_config(sana().transformer.config, num_layers=1)


def _hunyuan_dit() -> HunyuanDiT2DControlNetModel:
    transformer = hunyuan_dit().transformer
    return HunyuanDiT2DControlNetModel.from_transformer(
        transformer, transformer_num_layers=4, load_weights_from_transformer=False
    )


CONTROLNETS: dict[str, Callable[[], Any]] = {
    "sd15-controlnet": lambda: _of_unet(ControlNetModel, unet(attention_head_dim=8)),
    "sdxl-controlnet": lambda: _of_unet(ControlNetModel, xl_unet()),
    "sdxl-controlnet-union": _union,
    "sd3-controlnet": lambda: SD3ControlNetModel.from_transformer(sd3_transformer(), 1, 0),
    "flux-controlnet": _flux,
    "qwen-image-controlnet": _qwen,
    "z-image-controlnet": _z_image,
    "sana-controlnet": _sana,
    "hunyuan-dit-controlnet": _hunyuan_dit,
}

# Of latents of so many channels: TAESD, TAESDXL, TAESD3 and TAEF1.
SMALL = {"taesd": 4, "taesdxl": 4, "taesd3": 16, "taef1": 16}


def make_controlnet(name: str, folder: Path) -> Path:
    """Writes the directory of a ControlNet of this name."""
    torch.manual_seed(0)
    made = CONTROLNETS[name]()
    lively(made, 1, gain=2.0)
    made.save_pretrained(folder, safe_serialization=True)
    return folder


def make_small_autoencoder(name: str, folder: Path) -> Path:
    """Writes the directory of a small autoencoder of this name, as it lies beside a model."""
    made = AutoencoderTiny(
        latent_channels=SMALL[name],
        encoder_block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
    )
    lively(made, 1)
    made.save_pretrained(folder, safe_serialization=True)
    return folder


def make_lora(tiny: Tiny, file: Path, rank: int = 2) -> Path:
    """Writes a LoRA for the denoiser of a tiny checkpoint, strong enough to be seen."""
    pipeline: Any = tiny.build()
    part = "unet" if hasattr(pipeline, "unet") else "transformer"
    denoiser = getattr(pipeline, part)
    denoiser.add_adapter(
        LoraConfig(r=rank, lora_alpha=rank, init_lora_weights=False, target_modules=ATTENTION)
    )
    generator = torch.Generator().manual_seed(1)
    weights = {
        f"{part}.{name}": torch.randn(value.shape, generator=generator)
        for name, value in get_peft_model_state_dict(denoiser).items()
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, file, metadata={"format": "pt"})
    return file


def make_learned_word(file: Path, word: str = "<tiny>", xl: bool = False) -> Path:
    """Writes a textual inversion: what a word means to Stable Diffusion, or to that of XL."""
    generator = torch.Generator().manual_seed(1)
    names = ("clip_l", "clip_g") if xl else (word,)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: torch.randn(1, WIDTH, generator=generator) for name in names}, file)
    return file
