"""Converts descriptions of engines, and the pictures that are sent to one."""

from __future__ import annotations

from underpaint.contract.engines import EngineDescription, Lora
from underpaint.contract.generation import Inputs
from underpaint.contract.inputs import InputDigests, check_announced, check_digests
from underpaint.contract.wire.generation import digest_from_wire, digest_to_wire
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
    )


def inputs_to_wire(
    request: cloud_pb2.GenerateRequest, inputs: Inputs, digests: InputDigests
) -> None:
    """Puts the pictures and their digests into a request to an engine."""
    request.init_image = inputs.init_image
    request.init_image_digest.CopyFrom(digest_to_wire(digests.init_image))
    if digests.mask:
        request.mask = inputs.mask
        request.mask_digest.CopyFrom(digest_to_wire(digests.mask))
    if digests.control:
        request.control = inputs.control
        request.control_digest.CopyFrom(digest_to_wire(digests.control))
    request.control_kind = inputs.control_kind
    request.references.extend(inputs.references)
    request.reference_digests.extend(map(digest_to_wire, digests.references))


def inputs_from_wire(wire: cloud_pb2.GenerateRequest) -> Inputs:
    """The pictures of a request to an engine, checked against their digests and limits.

    Raises:
        InvalidRequest: a picture is too large or differs from its digest, or one lacks the other.
    """
    digests = InputDigests(
        init_image=digest_from_wire(wire.init_image_digest),
        mask=digest_from_wire(wire.mask_digest) if wire.HasField("mask_digest") else None,
        control=digest_from_wire(wire.control_digest) if wire.HasField("control_digest") else None,
        control_kind=wire.control_kind,
        references=tuple(map(digest_from_wire, wire.reference_digests)),
    )
    inputs = Inputs(
        init_image=wire.init_image,
        mask=wire.mask,
        control=wire.control,
        control_kind=wire.control_kind,
        references=tuple(wire.references),
    )
    check_announced(digests)
    check_digests(inputs, digests)
    return inputs
