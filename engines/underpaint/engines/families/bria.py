"""Bria 3.2 and Fibo."""

from __future__ import annotations

from underpaint.engines.families.family import Family, Layout, Manner, Start

BRIA = Family(
    name="bria",
    title="Bria 3",
    index=frozenset({"BriaPipeline"}),
    text_to_image="BriaPipeline",
    start=Start.NOISED,
    # The figures of its class
    manner=Manner(num_inference_steps=30, guidance_scale=5.0, why="as Bria 3.2"),
    layout=Layout.PACKED,
)

FIBO = Family(
    name="fibo",
    title="Bria Fibo",
    index=frozenset({"BriaFiboPipeline"}),
    text_to_image="BriaFiboPipeline",
    start=Start.NOISED,
    # The example in diffusers' pipeline, which Bria wrote: 50 steps, guidance 5
    manner=Manner(num_inference_steps=50, guidance_scale=5.0, why="as Fibo"),
    layout=Layout.ROWS,
    loras=True,
)

FIBO_EDIT = Family(
    name="fibo-edit",
    title="Bria Fibo Edit",
    index=frozenset({"BriaFiboEditPipeline"}),
    image_to_image="BriaFiboEditPipeline",
    start=Start.REFERENCE,
    pictures=True,
    references=3,
    call_for=lambda steps, width, height: {"_auto_resize": False},
    # The example in diffusers' pipeline
    manner=Manner(num_inference_steps=30, guidance_scale=5.0, why="as Fibo Edit"),
    layout=Layout.OTHER,
    loras=True,
)

FIBO2 = Family(
    name="fibo2",
    title="Bria Fibo 2",
    index=frozenset({"BriaFibo2Pipeline"}),
    text_to_image="BriaFibo2Pipeline",
    start=Start.REFERENCE,
    pictures=True,
    references=4,  # it edits five pictures at most
    # diffusers' guide to Fibo 2: 30 steps, guidance 5
    manner=Manner(num_inference_steps=30, guidance_scale=5.0, why="as Fibo 2.0 dev"),
    layout=Layout.OTHER,
    loras=True,
)
