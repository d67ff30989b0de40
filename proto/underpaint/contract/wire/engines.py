"""Converts descriptions of engines."""

from __future__ import annotations

from underpaint.contract.engines import EngineDescription, Lora
from underpaint.v1 import cloud_pb2


def engine_to_wire(engine: EngineDescription) -> cloud_pb2.EngineDescription:
    """Domain to wire."""
    return cloud_pb2.EngineDescription(
        name=engine.name,
        model=engine.model,
        num_inference_steps=engine.num_inference_steps,
        guidance_scale=engine.guidance_scale,
        strength=engine.strength,
        family=engine.family,
        width=engine.width,
        height=engine.height,
        takes=engine.takes,
        loras=[cloud_pb2.Lora(name=lora.name, digest=lora.digest) for lora in engine.loras],
        model_digest=engine.model_digest,
    )


def engine_from_wire(wire: cloud_pb2.EngineDescription) -> EngineDescription:
    """Wire to domain."""
    return EngineDescription(
        name=wire.name,
        model=wire.model,
        num_inference_steps=wire.num_inference_steps,
        guidance_scale=wire.guidance_scale,
        strength=wire.strength,
        family=wire.family,
        width=wire.width,
        height=wire.height,
        takes=tuple(wire.takes),
        loras=tuple(Lora(name=lora.name, digest=lora.digest) for lora in wire.loras),
        model_digest=wire.model_digest,
    )
