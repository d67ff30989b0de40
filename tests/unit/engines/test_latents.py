from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny
from PIL import Image
from underpaint.contract.errors import InvalidRequest
from underpaint.engines.families.family import Layout
from underpaint.engines.pipelines.latents import Latents

from tests.unit.engines.drawing import (
    LAYOUTS,
    difference,
    draw,
    load,
    size_of,
    slope,
    steps_of,
)


@pytest.mark.parametrize("name", LAYOUTS)
def test_latents_are_decoded_as_the_pipeline_does_and_encoded_the_other_way_round(
    name: str, tiny_model: Callable[[str], Path]
) -> None:
    pipeline, size = load(tiny_model, name), size_of(name)
    latents = Latents(pipeline, LAYOUTS[name], size)
    with steps_of(pipeline) as seen:
        picture = draw(pipeline, name)
    scale = 0.5 if name == "sana-sprint" else 1.0  # its scheduler's unit
    last = seen[-1][1]
    decoded = latents.decode(last / scale)
    assert decoded.size == picture.size
    assert difference(decoded, picture) < 0.1

    # The same as the autoencoder itself makes of the picture, without any normalising.
    encoded = latents.encode(picture)
    assert encoded.shape == last.shape
    pixels = torch.from_numpy(np.asarray(picture.convert("RGB")).copy()).permute(2, 0, 1)[None]
    pixels = pixels / 127.5 - 1
    frames = "temperal_downsample" in pipeline.vae.config
    with torch.inference_mode():
        code = pipeline.vae.encode(pixels.unsqueeze(2) if frames else pixels)
        code = code.latent_dist.mode() if hasattr(code, "latent_dist") else code.latent
        raw = pipeline.vae.decode(code, return_dict=False)[0]
    raw = raw[:, :, 0] if frames else raw
    levels = ((raw[0] + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    assert difference(latents.decode(encoded), Image.fromarray(levels)) < 0.1


@pytest.mark.parametrize("name", ["sd15", "flux-dev", "flux2", "qwen-image", "sana"])
def test_a_mask_is_laid_out_like_the_latents(name: str, tiny_model: Callable[[str], Path]) -> None:
    pipeline, size = load(tiny_model, name), size_of(name)
    latents = Latents(pipeline, LAYOUTS[name], size)
    mask = Image.new("L", size)
    mask.paste(255, (size[0] // 2, 0, size[0], size[1]))
    encoded = latents.encode(slope(name))
    drawn = latents.encode_mask(mask, encoded).expand_as(encoded)
    grid = latents.unpack(drawn)
    half = grid.shape[-1] // 2
    assert not grid[..., :half].any()
    assert grid[..., half:].all()


def test_frames_keep_their_dimension(tiny_model: Callable[[str], Path]) -> None:
    pipeline, size = load(tiny_model, "qwen-image"), size_of("qwen-image")
    packed = Latents(pipeline, Layout.PACKED, size)
    frames = Latents(pipeline, Layout.FRAMES, size)
    encoded = frames.encode(slope("qwen-image"))
    assert encoded.ndim == 5
    assert torch.equal(encoded[:, :, 0], packed.unpack(packed.encode(slope("qwen-image"))))
    assert frames.decode(encoded).size == size


def test_a_tiny_autoencoder_decodes_normalised_latents(
    tiny_model: Callable[[str], Path],
) -> None:
    pipeline, size = load(tiny_model, "sd15"), size_of("sd15")
    latents = Latents(pipeline, Layout.SPATIAL, size)
    tiny = AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
    )
    grid = latents.encode(slope("sd15"))
    pixels = tiny.decode(grid, return_dict=False)[0]
    levels = ((pixels[0] + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    assert difference(latents.decode(grid, autoencoder=tiny), Image.fromarray(levels)) < 0.1
    # In the place of the pipeline's own, it encodes, too.
    pipeline.vae = tiny
    assert Latents(pipeline, Layout.SPATIAL, size).encode(slope("sd15")).shape == grid.shape


def test_unknown_latents_are_no_start(tiny_model: Callable[[str], Path]) -> None:
    latents = Latents(load(tiny_model, "sd15"), Layout.OTHER, size_of("sd15"))
    with pytest.raises(InvalidRequest, match="cannot start from a picture"):
        latents.encode(slope("sd15"))
