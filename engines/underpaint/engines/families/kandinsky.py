"""Kandinsky 2.2, 3 and 5."""

from __future__ import annotations

from typing import Final

from underpaint.engines.families.family import Family, Layout, Manner, Start

V22 = Family(
    name="kandinsky22",
    title="Kandinsky 2.2",
    index=frozenset(
        {
            "KandinskyV22CombinedPipeline",
            "KandinskyV22Img2ImgCombinedPipeline",
            "KandinskyV22InpaintCombinedPipeline",
        }
    ),
    denoiser="unet",
    inner="decoder_pipe",
    autoencoder="movq",
    text_to_image="KandinskyV22CombinedPipeline",
    image_to_image="KandinskyV22Img2ImgCombinedPipeline",
    swapped=True,  # in diffusers 0.42
    native=(512, 512),
    multiple=64,
    # https://huggingface.co/kandinsky-community/kandinsky-2-2-decoder: 50 steps, and a prior
    # guidance of 1.0
    manner=Manner(
        num_inference_steps=50,
        guidance_scale=4.0,
        why="as Kandinsky 2.2",
        call={"prior_guidance_scale": 1.0},
    ),
    strength=0.6,
)

V3 = Family(
    name="kandinsky3",
    title="Kandinsky 3",
    index=frozenset({"Kandinsky3Pipeline", "Kandinsky3Img2ImgPipeline"}),
    denoiser="unet",
    autoencoder="movq",
    text_to_image="Kandinsky3Pipeline",
    image_to_image="Kandinsky3Img2ImgPipeline",
    multiple=64,
    # The example in diffusers' pipeline, and the figures of its class
    manner=Manner(num_inference_steps=25, guidance_scale=3.0, why="as Kandinsky 3"),
)

# The sizes that it was taught at, and no others.
_SIZES_5: Final = (
    (1024, 1024),
    (640, 1408),
    (1408, 640),
    (768, 1280),
    (1280, 768),
    (896, 1152),
    (1152, 896),
)

V5 = Family(
    name="kandinsky5",
    title="Kandinsky 5 Image",
    index=frozenset({"Kandinsky5T2IPipeline"}),
    text_to_image="Kandinsky5T2IPipeline",
    start=Start.NOISED,
    sizes=_SIZES_5,
    # diffusers' guide to Kandinsky 5.0 Image, which its makers wrote: 50 steps, 3.5
    manner=Manner(num_inference_steps=50, guidance_scale=3.5, why="as Kandinsky 5 Image Lite"),
    layout=Layout.FRAMES_LAST,
    loras=True,
)

V5_EDIT = Family(
    name="kandinsky5-edit",
    title="Kandinsky 5 Image Editing",
    index=frozenset({"Kandinsky5I2IPipeline"}),
    image_to_image="Kandinsky5I2IPipeline",
    start=Start.REFERENCE,
    sizes=_SIZES_5,
    # The same guide
    manner=Manner(num_inference_steps=50, guidance_scale=3.5, why="as Kandinsky 5 Image Editing"),
    layout=Layout.FRAMES_LAST,
    loras=True,
)
