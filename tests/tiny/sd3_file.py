"""Writes a tiny Stable Diffusion 3 as one file or its transformer as GGUF, in its makers' names."""

from __future__ import annotations

from pathlib import Path

import gguf
import torch
from diffusers import DiffusionPipeline, SD3Transformer2DModel
from safetensors.torch import save_file

from tests.tiny.single_file import moved, vae_weights

_OUTSIDE = {
    "pos_embed.pos_embed": "pos_embed",
    "pos_embed.proj.": "x_embedder.proj.",
    "time_text_embed.timestep_embedder.linear_1.": "t_embedder.mlp.0.",
    "time_text_embed.timestep_embedder.linear_2.": "t_embedder.mlp.2.",
    "time_text_embed.text_embedder.linear_1.": "y_embedder.mlp.0.",
    "time_text_embed.text_embedder.linear_2.": "y_embedder.mlp.2.",
    "context_embedder.": "context_embedder.",
    "norm_out.linear.": "final_layer.adaLN_modulation.1.",
    "proj_out.": "final_layer.linear.",
}
_BLOCK = {
    "attn.to_q.": "x_block.attn.qkv.",
    "attn.add_q_proj.": "context_block.attn.qkv.",
    "attn.to_out.0.": "x_block.attn.proj.",
    "attn.to_add_out.": "context_block.attn.proj.",
    "norm1.linear.": "x_block.adaLN_modulation.1.",
    "norm1_context.linear.": "context_block.adaLN_modulation.1.",
    "ff.net.0.proj.": "x_block.mlp.fc1.",
    "ff.net.2.": "x_block.mlp.fc2.",
    "ff_context.net.0.proj.": "context_block.mlp.fc1.",
    "ff_context.net.2.": "context_block.mlp.fc2.",
}


def write_sd3_file(directory: Path, file: Path) -> Path:
    """Writes the checkpoint in a diffusers directory as one file."""
    pipeline = DiffusionPipeline.from_pretrained(directory)
    parts = {
        "model.diffusion_model.": _transformer(pipeline.transformer),
        "first_stage_model.": vae_weights(pipeline.vae),
        "text_encoders.clip_l.transformer.": _clip(pipeline.text_encoder),
        "text_encoders.clip_g.transformer.": _clip(pipeline.text_encoder_2),
        "text_encoders.t5xxl.transformer.": pipeline.text_encoder_3.state_dict(),
    }
    weights = {prefix + name: each for prefix, all_ in parts.items() for name, each in all_.items()}
    save_file({name: each.contiguous().clone() for name, each in weights.items()}, file)
    return file


def write_sd3_gguf(directory: Path, file: Path) -> Path:
    """Writes the transformer in a diffusers directory as GGUF: quantised to 8 bits where it can."""
    transformer = SD3Transformer2DModel.from_pretrained(directory, subfolder="transformer")
    writer = gguf.GGUFWriter(file, "sd3")
    for name, each in _transformer(transformer).items():
        numbers = each.float().numpy()
        kind = gguf.GGMLQuantizationType.F32
        if each.ndim == 2 and each.shape[1] % 32 == 0:
            kind = gguf.GGMLQuantizationType.Q8_0
            numbers = gguf.quants.quantize(numbers, kind)
        writer.add_tensor(name, numbers, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _transformer(model: SD3Transformer2DModel) -> dict[str, torch.Tensor]:
    weights = model.state_dict()
    last = f"transformer_blocks.{model.config.num_layers - 1}.norm1_context."
    renamed = {}
    for name, each in weights.items():
        swapped = name.startswith(("norm_out.linear.", last))
        # The makers' have the shift before the scale.
        value = torch.cat(list(reversed(each.chunk(2)))) if swapped else each
        if not name.startswith("transformer_blocks."):
            renamed[moved(name, _OUTSIDE)] = value
            continue
        _, number, inner = name.split(".", 2)
        for q in ("to_q.", "add_q_proj."):
            if q in inner:
                three = [name.replace(q, q.replace("q", one)) for one in "qkv"]
                value = torch.cat([weights[one] for one in three])
        new = moved(inner, _BLOCK)
        if new:  # those of k and v went with q
            renamed[f"joint_blocks.{number}.{new}"] = value
    return renamed


def _clip(encoder: torch.nn.Module) -> dict[str, torch.Tensor]:
    # As transformers 4 has it, which the files are from.
    weights = encoder.state_dict()
    projection = {name: weights.pop(name) for name in list(weights) if "projection" in name}
    return projection | {
        f"text_model.{name.removeprefix('text_model.')}": each for name, each in weights.items()
    }
