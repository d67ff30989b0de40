"""Converts items of the outbox."""

from __future__ import annotations

from typing import Final

from underpaint.contract.outbox import OutboxItem, OutboxState
from underpaint.contract.wire import time_from_wire, time_to_wire
from underpaint.v1 import edge_pb2

STATE_TO_WIRE: Final[dict[OutboxState, edge_pb2.OutboxState]] = {
    OutboxState.HELD: edge_pb2.OUTBOX_STATE_HELD,
    OutboxState.ASKS: edge_pb2.OUTBOX_STATE_ASKS,
    OutboxState.REFUSED: edge_pb2.OUTBOX_STATE_REFUSED,
}
_STATE_FROM_WIRE: Final = {wire: own for own, wire in STATE_TO_WIRE.items()}


def outbox_item_to_wire(item: OutboxItem) -> edge_pb2.OutboxItem:
    """Domain to wire."""
    return edge_pb2.OutboxItem(
        promotion_id=item.promotion_id,
        draft_id=item.draft_id,
        prompt=item.prompt,
        state=STATE_TO_WIRE[item.state],
        reason=item.reason,
        accepted_usd_micros=item.accepted_usd_micros,
        quoted_usd_micros=item.quoted_usd_micros,
        kept_at=time_to_wire(item.kept_at),
    )


def outbox_item_from_wire(wire: edge_pb2.OutboxItem) -> OutboxItem:
    """Wire to domain."""
    return OutboxItem(
        promotion_id=wire.promotion_id,
        draft_id=wire.draft_id,
        prompt=wire.prompt,
        state=_STATE_FROM_WIRE[wire.state],
        reason=wire.reason,
        accepted_usd_micros=wire.accepted_usd_micros,
        quoted_usd_micros=wire.quoted_usd_micros,
        kept_at=time_from_wire(wire.kept_at),
    )
