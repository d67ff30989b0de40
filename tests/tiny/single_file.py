"""Writes a tiny Stable Diffusion 1 or XL as one file, with the names of its makers' program."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL, DiffusionPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection

_UNET = {
    "time_embedding.linear_1.": "time_embed.0.",
    "time_embedding.linear_2.": "time_embed.2.",
    "conv_in.": "input_blocks.0.0.",
    "conv_norm_out.": "out.0.",
    "conv_out.": "out.2.",
    "add_embedding.linear_1.": "label_emb.0.0.",
    "add_embedding.linear_2.": "label_emb.0.2.",
}
_RESNET = {
    "norm1.": "in_layers.0.",
    "conv1.": "in_layers.2.",
    "norm2.": "out_layers.0.",
    "conv2.": "out_layers.3.",
    "time_emb_proj.": "emb_layers.1.",
    "conv_shortcut.": "skip_connection.",
}
_VAE = {
    "conv_shortcut.": "nin_shortcut.",
    "conv_norm_out.": "norm_out.",
    "mid_block.attentions.0.": "mid.attn_1.",
    "mid_block.resnets.0.": "mid.block_1.",
    "mid_block.resnets.1.": "mid.block_2.",
    "group_norm.": "norm.",
    "to_q.": "q.",
    "to_k.": "k.",
    "to_v.": "v.",
    "to_out.0.": "proj_out.",
}
_OPEN_CLIP = {
    "embeddings.token_embedding.": "token_embedding.",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.": "ln_final.",
    "encoder.layers.": "transformer.resblocks.",
    "layer_norm1.": "ln_1.",
    "layer_norm2.": "ln_2.",
    "mlp.fc1.": "mlp.c_fc.",
    "mlp.fc2.": "mlp.c_proj.",
    "self_attn.": "attn.",
}


def write_single_file(directory: Path, file: Path) -> Path:
    """Writes the checkpoint in a diffusers directory as one file."""
    pipeline = DiffusionPipeline.from_pretrained(directory)
    weights = {
        **{f"model.diffusion_model.{name}": each for name, each in _unet(pipeline.unet).items()},
        **{f"first_stage_model.{name}": each for name, each in vae_weights(pipeline.vae).items()},
    }
    if hasattr(pipeline, "text_encoder_2"):
        weights |= _text(pipeline.text_encoder, "conditioner.embedders.0.transformer.")
        weights |= _open_clip(pipeline.text_encoder_2, "conditioner.embedders.1.model.")
    else:
        weights |= _text(pipeline.text_encoder, "cond_stage_model.transformer.")
    save_file({name: each.contiguous().clone() for name, each in weights.items()}, file)
    return file


def _unet(unet: UNet2DConditionModel) -> dict[str, torch.Tensor]:
    count = len(unet.config.block_out_channels)
    layers = unet.config.layers_per_block
    places = {
        "mid_block.resnets.0.": "middle_block.0.",
        "mid_block.attentions.0.": "middle_block.1.",
        "mid_block.resnets.1.": "middle_block.2.",
    }
    for i in range(count):
        for j in range(layers):
            at = (layers + 1) * i + j + 1
            places[f"down_blocks.{i}.resnets.{j}."] = f"input_blocks.{at}.0."
            places[f"down_blocks.{i}.attentions.{j}."] = f"input_blocks.{at}.1."
        end = (layers + 1) * (i + 1)
        places[f"down_blocks.{i}.downsamplers.0.conv."] = f"input_blocks.{end}.0.op."
        for j in range(layers + 1):
            at = (layers + 1) * i + j
            places[f"up_blocks.{i}.resnets.{j}."] = f"output_blocks.{at}.0."
            places[f"up_blocks.{i}.attentions.{j}."] = f"output_blocks.{at}.1."
        last = (layers + 1) * (i + 1) - 1
        behind = 2 if "CrossAttn" in unet.config.up_block_types[i] else 1
        places[f"up_blocks.{i}.upsamplers.0."] = f"output_blocks.{last}.{behind}."
    renamed = {}
    for name, each in unet.state_dict().items():
        new = moved(name, places) or moved(name, _UNET)
        renamed[_within(new, _RESNET) if "resnets" in name else new] = each
    return renamed


def vae_weights(vae: AutoencoderKL) -> dict[str, torch.Tensor]:
    """The weights of an autoencoder by their makers' names."""
    count = len(vae.config.block_out_channels)
    renamed = {}
    for name, each in vae.state_dict().items():
        new = _within(name, _VAE)
        for i in range(count):
            for part, at in (("down", i), ("up", count - 1 - i)):
                new = new.replace(f"{part}_blocks.{i}.resnets.", f"{part}!{at}.block.")
                new = new.replace(
                    f"{part}_blocks.{i}.{part}samplers.0.", f"{part}!{at}.{part}sample."
                )
        is_matrix = "mid.attn_1" in new and each.ndim == 2
        renamed[new.replace("!", ".")] = each[:, :, None, None] if is_matrix else each
    return renamed


def _text(encoder: CLIPTextModel, prefix: str) -> dict[str, torch.Tensor]:
    return {
        f"{prefix}text_model.{name.removeprefix('text_model.')}": each
        for name, each in encoder.state_dict().items()
    }


def _open_clip(encoder: CLIPTextModelWithProjection, prefix: str) -> dict[str, torch.Tensor]:
    weights = {
        name.removeprefix("text_model."): each for name, each in encoder.state_dict().items()
    }
    renamed = {f"{prefix}text_projection": weights.pop("text_projection.weight").T}
    for name, each in weights.items():
        if any(f"self_attn.{one}_proj" in name for one in "kv"):
            continue  # with q
        new = prefix + _within(name, _OPEN_CLIP)
        if "self_attn.q_proj" in name:
            three = [weights[name.replace("q_proj", f"{one}_proj")] for one in "qkv"]
            renamed[new.replace("q_proj.", "in_proj_")] = torch.cat(three)
        else:
            renamed[new] = each
    return renamed


def moved(name: str, places: dict[str, str]) -> str:
    """A name that begins with one of these places, as that is called elsewhere; else nothing."""
    for old, new in places.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return ""


def _within(name: str, parts: dict[str, str]) -> str:
    for old, new in parts.items():
        name = name.replace(old, new)
    return name
