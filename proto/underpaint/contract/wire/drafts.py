"""Converts drafts, their privacy, and the description of a node."""

from __future__ import annotations

from typing import Final

from underpaint.contract.drafts import Draft, Node, Privacy
from underpaint.contract.engines import Lora
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.wire.generation import (
    digest_from_wire,
    digest_to_wire,
    generation_from_wire,
    generation_to_wire,
    time_from_wire,
    time_to_wire,
)
from underpaint.v1 import common_pb2, edge_pb2

PRIVACY_TO_WIRE: Final[dict[Privacy, common_pb2.Privacy]] = {
    Privacy.DEVICE: common_pb2.PRIVACY_DEVICE,
    Privacy.STRUCTURE: common_pb2.PRIVACY_STRUCTURE,
    Privacy.FULL: common_pb2.PRIVACY_FULL,
}
_PRIVACY_FROM_WIRE: Final = {wire: own for own, wire in PRIVACY_TO_WIRE.items()}


def privacy_from_wire(wire: common_pb2.Privacy) -> Privacy:
    """Wire to domain. Raises InvalidRequest if it is unspecified: privacy is never guessed."""
    if wire not in _PRIVACY_FROM_WIRE:
        raise InvalidRequest("privacy is not specified; use device, structure or full")
    return _PRIVACY_FROM_WIRE[wire]


def draft_to_wire(draft: Draft) -> edge_pb2.Draft:
    """Domain to wire."""
    return edge_pb2.Draft(
        id=draft.id,
        digest=digest_to_wire(draft.digest),
        request=generation_to_wire(draft.request),
        privacy=PRIVACY_TO_WIRE[draft.privacy],
        model=draft.model,
        elapsed_ms=draft.elapsed_ms,
        created_at=time_to_wire(draft.created_at),
        warnings=draft.warnings,
    )


def draft_from_wire(wire: edge_pb2.Draft) -> Draft:
    """Wire to domain."""
    return Draft(
        id=wire.id,
        digest=digest_from_wire(wire.digest),
        request=generation_from_wire(wire.request),
        privacy=privacy_from_wire(wire.privacy),
        model=wire.model,
        elapsed_ms=wire.elapsed_ms,
        created_at=time_from_wire(wire.created_at),
        warnings=tuple(wire.warnings),
    )


def node_to_wire(node: Node) -> edge_pb2.GetNodeResponse:
    """Domain to wire."""
    return edge_pb2.GetNodeResponse(
        model=node.model,
        width=node.width,
        height=node.height,
        num_inference_steps=node.num_inference_steps,
        guidance_scale=node.guidance_scale,
        drafts=node.drafts,
        draft_limit=node.draft_limit,
        loras=[edge_pb2.NodeLora(name=lora.name, digest=lora.digest) for lora in node.loras],
    )


def node_from_wire(wire: edge_pb2.GetNodeResponse) -> Node:
    """Wire to domain."""
    return Node(
        model=wire.model,
        width=wire.width,
        height=wire.height,
        num_inference_steps=wire.num_inference_steps,
        guidance_scale=wire.guidance_scale,
        drafts=wire.drafts,
        draft_limit=wire.draft_limit,
        loras=tuple(Lora(name=lora.name, digest=lora.digest) for lora in wire.loras),
    )
