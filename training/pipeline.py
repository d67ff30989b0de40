"""The parts of the bundled pipelines, and the directories they are shipped in."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderTiny,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)
from diffusers.models.embeddings import get_2d_sincos_pos_embed_from_grid
from tokenizers import Regex, Tokenizer, models, normalizers, processors
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
)

from training.autoencoder import CHANNELS
from training.data import SIZE
from training.vocabulary import CONTEXT_LENGTH, SPECIAL_TOKENS, Vocabulary, make_tokenizer

TEXT_WIDTH = 256
SILENT_WIDTH = 8
STATES_WIDTH = TEXT_WIDTH + SILENT_WIDTH
"""Numbers per text token that reach the denoiser: both CLIP encoders side by side."""
POOLED_WIDTH = 256 + SILENT_WIDTH
"""Numbers that stand for the whole prompt, likewise."""
MOST_PATCHES = 32
"""Patches along one side of the largest picture the position table reaches."""
LITE_STEPS = 4
MAX_SEQUENCE_LENGTH = 1
"""Tokens from the silent T5 encoder. The pipeline's default, 256, would drown the prompt."""


def make_text_encoder(
    vocabulary: Vocabulary, width: int = TEXT_WIDTH, pooled: int = 256, layers: int = 4
) -> CLIPTextModelWithProjection:
    """A small CLIP text encoder."""
    ids = {token: i for i, token in enumerate(SPECIAL_TOKENS)}
    encoder = CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=len(vocabulary.words),
            hidden_size=width,
            intermediate_size=4 * width,
            projection_dim=pooled,
            num_hidden_layers=layers,
            num_attention_heads=max(1, width // 64),
            max_position_embeddings=CONTEXT_LENGTH,
            pad_token_id=ids["<pad>"],
            bos_token_id=ids["<s>"],
            eos_token_id=ids["</s>"],
        )
    )
    # The denoiser reads the states before the last norm: CLIP's usual 0.02 would be a whisper.
    nn.init.normal_(encoder.get_input_embeddings().weight, std=0.5)
    return encoder


def silent(encoder: nn.Module) -> nn.Module:
    """The encoder with weights that make it say nothing: zeros for any prompt."""
    for parameter in encoder.parameters():
        nn.init.zeros_(parameter)
    return encoder


def make_silent_clip(vocabulary: Vocabulary) -> CLIPTextModelWithProjection:
    """The second CLIP encoder that SD3 pipelines insist on, a few kilobytes that say nothing."""
    encoder = make_text_encoder(vocabulary, SILENT_WIDTH, SILENT_WIDTH, layers=1)
    silent(encoder)
    return encoder


def encode_text(encoder: CLIPTextModelWithProjection, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """States (n × length × STATES_WIDTH) and pooled vector (n × POOLED_WIDTH).

    Just as the pipeline makes them: the silent encoders add zeros beside and behind.
    """
    out = encoder(tokens, output_hidden_states=True)
    states = functional.pad(out.hidden_states[-2], (0, SILENT_WIDTH, 0, MAX_SEQUENCE_LENGTH))
    return states, functional.pad(out.text_embeds, (0, SILENT_WIDTH))


def make_silence() -> tuple[T5EncoderModel, PreTrainedTokenizerFast]:
    """A T5 encoder that says nothing, with its tokenizer.

    SD3 pipelines can run without T5, but a directory without it does not load unless the caller
    knows to pass `text_encoder_3=None`. This one weighs a few kilobytes, makes one token of any
    prompt and gives zeros for it.
    """
    encoder = T5EncoderModel(
        T5Config(vocab_size=2, d_model=STATES_WIDTH, d_kv=1, d_ff=1, num_layers=1, num_heads=1)
    )
    silent(encoder)
    tokenizer = Tokenizer(models.WordLevel({"<pad>": 0, "</s>": 1}, unk_token="<pad>"))
    tokenizer.normalizer = normalizers.Replace(Regex(r"[\s\S]"), "")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", model_max_length=1
    )
    return encoder, fast


def make_transformer(side: int, layers: int = 5, width: int = 256) -> SD3Transformer2DModel:
    """The denoiser for latents of `side` × `side`, each block starting as the identity."""
    transformer = SD3Transformer2DModel(
        sample_size=side,
        patch_size=2,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        num_layers=layers,
        attention_head_dim=64,
        num_attention_heads=width // 64,
        caption_projection_dim=width,
        joint_attention_dim=STATES_WIDTH,
        pooled_projection_dim=POOLED_WIDTH,
        pos_embed_max_size=MOST_PATCHES,
    )
    place_patches(transformer)
    for block in transformer.transformer_blocks:
        for modulation in (block.norm1.linear, block.norm1_context.linear):
            nn.init.zeros_(modulation.weight)
            nn.init.zeros_(modulation.bias)
    for last in (transformer.norm_out.linear, transformer.proj_out):
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    return transformer


def place_patches(transformer: SD3Transformer2DModel) -> None:
    """Give neighbouring patches positions 1 apart, around a common middle whatever the size.

    The table is saved with the weights.
    """
    axis = torch.arange(MOST_PATCHES, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"))[:, None]
    table = get_2d_sincos_pos_embed_from_grid(transformer.inner_dim, grid, output_type="pt")
    transformer.pos_embed.pos_embed.copy_(table[None])


class Denoiser(nn.Module):
    """Text encoder and transformer, trained as one."""

    def __init__(
        self, text_encoder: CLIPTextModelWithProjection, transformer: SD3Transformer2DModel
    ) -> None:
        super().__init__()
        self.text_encoder = text_encoder
        self.transformer = transformer

    def encode(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """What the denoiser is told, see `encode_text`."""
        return encode_text(self.text_encoder, tokens)

    def forward(self, noisy: Tensor, sigma: Tensor, text: tuple[Tensor, Tensor]) -> Tensor:
        """The velocity, noise minus picture, at noise level `sigma` (n, in 0..1)."""
        velocity: Tensor = self.transformer(
            hidden_states=noisy,
            encoder_hidden_states=text[0],
            pooled_projections=text[1],
            timestep=sigma * 1000,
            return_dict=False,
        )[0]
        return velocity


def tokenize(tokenizer: PreTrainedTokenizerFast, prompts: list[str]) -> Tensor:
    """Token ids (n × CONTEXT_LENGTH), padded as the pipeline pads them."""
    ids: Tensor = tokenizer(
        prompts,
        padding="max_length",
        max_length=CONTEXT_LENGTH,
        truncation=True,
        return_tensors="pt",
    ).input_ids
    return ids


def make_scheduler(tier: str) -> FlowMatchEulerDiscreteScheduler:
    """Euler steps on the straight way from noise to picture.

    By default the last step would start next to the picture and do nothing; of Lite's few steps
    none may be wasted, so there the last one starts at a quarter.
    """
    last = 1 / LITE_STEPS if tier == "lite" else None
    return FlowMatchEulerDiscreteScheduler(shift=1.0, shift_terminal=last)


def make_pipeline(
    vocabulary: Vocabulary, denoiser: Denoiser, autoencoder: AutoencoderTiny, tier: str
) -> StableDiffusion3Pipeline:
    """An ordinary pipeline of the parts."""
    tokenizer = make_tokenizer(vocabulary)
    silence, silent_tokenizer = make_silence()
    return StableDiffusion3Pipeline(
        transformer=denoiser.transformer,
        scheduler=make_scheduler(tier),
        vae=autoencoder,
        text_encoder=denoiser.text_encoder,
        tokenizer=tokenizer,
        text_encoder_2=make_silent_clip(vocabulary),
        tokenizer_2=tokenizer,
        text_encoder_3=silence,
        tokenizer_3=silent_tokenizer,
    )


def write_pipeline(
    folder: Path,
    pipeline: StableDiffusion3Pipeline,
    settings: dict[str, Any],
    card: str,
    **extra: Any,
) -> None:
    """Write a pipeline directory in half precision, its settings, card, other JSON and sums."""
    pipeline.to(dtype=torch.float16)
    pipeline.save_pretrained(folder, safe_serialization=True)
    index = folder / "model_index.json"
    # The name by which both transformers 4 and 5 know the class.
    index.write_text(index.read_text().replace("TokenizersBackend", "PreTrainedTokenizerFast"))
    for name, content in {"underpaint": settings, **extra}.items():
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (folder / f"{name}.json").write_text(text + "\n")
    (folder / "README.md").write_text(card)
    # transformers loads in the dtype it saved, diffusers in float32: unless told otherwise, both
    # shall load in float32, or the parts do not fit together.
    for config in folder.glob("text_encoder*/config.json"):
        config.write_text(config.read_text().replace('"float16"', '"float32"'))
    for weights in folder.rglob("*.safetensors"):
        weights.chmod(0o644)
    write_sums(folder)


def write_sums(folder: Path) -> None:
    """SHA256SUMS of every file in the directory, in the format of `sha256sum --check`."""
    lines = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "SHA256SUMS":
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{digest}  {path.relative_to(folder).as_posix()}{os.linesep}")
    (folder / "SHA256SUMS").write_text("".join(lines))


def settings(tier: str) -> dict[str, Any]:
    """How the engines should call the pipeline of this tier."""
    common = {"version": 1, "tier": tier, "call": {"max_sequence_length": MAX_SEQUENCE_LENGTH}}
    if tier == "lite":
        return {
            "name": "underpaint-lite",
            **common,
            "native_size": SIZE // 2,
            "num_inference_steps": LITE_STEPS,
            "guidance_scale": 1.0,
        }
    return {
        "name": "underpaint-full",
        **common,
        "native_size": SIZE,
        "num_inference_steps": 28,
        "guidance_scale": 4.0,
        "strength": 0.6,
    }
