"""Converts descriptions of engines, and the pictures that are sent to one."""

from __future__ import annotations

from typing import Literal

from underpaint.contract.engines import EngineDescription, Lora
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.generation import Inputs
from underpaint.contract.inputs import InputDigests, announced, check_announced
from underpaint.contract.pictures import Digest
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
    inputs = Inputs(
        init_image=wire.init_image,
        mask=wire.mask,
        control=wire.control,
        control_kind=wire.control_kind,
        references=tuple(wire.references),
    )
    if len(inputs.references) != len(wire.reference_digests):
        raise InvalidRequest(
            f"{len(inputs.references)} references came with {len(wire.reference_digests)} digests; "
            "send one digest for each"
        )
    told = InputDigests(
        init_image=digest_from_wire(wire.init_image_digest),
        mask=_told(wire, "mask"),
        control=_told(wire, "control"),
        control_kind=wire.control_kind,
        references=tuple(map(digest_from_wire, wire.reference_digests)),
    )
    sent = InputDigests(
        init_image=_sent(inputs.init_image, told.init_image),
        mask=_sent(inputs.mask, told.mask) if told.mask else None,
        control=_sent(inputs.control, told.control) if told.control else None,
        control_kind=wire.control_kind,
        references=tuple(map(_sent, inputs.references, told.references)),
    )
    check_announced(sent)
    for (name, said, _), (_, is_, _) in zip(announced(told), announced(sent), strict=True):
        if said != is_:
            raise InvalidRequest(f"{name} differs from its digest; send the picture again")
    return inputs


def _told(wire: cloud_pb2.GenerateRequest, name: Literal["mask", "control"]) -> Digest | None:
    if wire.HasField("mask_digest" if name == "mask" else "control_digest"):
        return digest_from_wire(wire.mask_digest if name == "mask" else wire.control_digest)
    if wire.mask if name == "mask" else wire.control:
        raise InvalidRequest(f"the {name} came without its digest; send both")
    return None


def _sent(data: bytes, told: Digest) -> Digest:
    return Digest.of(data, told.media_type)
