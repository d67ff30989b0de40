"""Stable Cascade and Wuerstchen: a prior draws small, a decoder enlarges."""

from __future__ import annotations

from underpaint.engines.families.family import Family, Layout, Manner, Start

CASCADE = Family(
    name="stable-cascade",
    title="Stable Cascade",
    index=frozenset({"StableCascadeCombinedPipeline"}),
    denoiser="prior_prior",
    inner="prior_pipe",
    autoencoder="vqgan",
    text_to_image="StableCascadeCombinedPipeline",
    start=Start.REFERENCE,
    picture="images",
    pictures=True,
    references=3,
    multiple=128,
    steps="prior_num_inference_steps",
    # https://huggingface.co/stabilityai/stable-cascade: 20 steps at guidance 4.0, then 10 without
    manner=Manner(
        num_inference_steps=20,
        guidance_scale=4.0,
        why="as Stable Cascade",
        call={"num_inference_steps": 10, "decoder_guidance_scale": 0.0},
    ),
    guidance="prior_guidance_scale",
    layout=Layout.OTHER,
)

WUERSTCHEN = Family(
    name="wuerstchen",
    title="Wuerstchen",
    index=frozenset({"WuerstchenCombinedPipeline"}),
    denoiser="prior_prior",
    inner="prior_pipe",
    autoencoder="vqgan",
    text_to_image="WuerstchenCombinedPipeline",
    start=Start.NEVER,
    multiple=128,
    steps="prior_num_inference_steps",
    # https://huggingface.co/warp-ai/wuerstchen: 60 steps at guidance 4.0, then 12 without
    manner=Manner(
        num_inference_steps=60,
        guidance_scale=4.0,
        why="as Wuerstchen",
        call={"num_inference_steps": 12, "decoder_guidance_scale": 0.0},
    ),
    guidance="prior_guidance_scale",
    layout=Layout.OTHER,
)
